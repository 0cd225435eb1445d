"""The routes, one noun a file; ``ROUTERS`` are those under /v1, in the order the documentation shows them."""

from api.routes import (
    areas,
    devices,
    forecast,
    gaps,
    history,
    kinds,
    ledger,
    live,
    marks,
    policy,
    readings,
    rejects,
    socket,
    vitals,
    whatif,
    why,
)

ROUTERS = (
    areas.router,
    vitals.router,
    history.router,
    forecast.router,
    why.router,
    whatif.router,
    policy.router,
    kinds.router,
    devices.router,
    readings.router,
    gaps.router,
    rejects.router,
    marks.router,
    ledger.router,
    live.router,
    socket.router,
)
