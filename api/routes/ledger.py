"""The ledger: how every reading that arrived ended."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter

from api import models
from api.responses import problems
from api.services import Provided
from api.store import ledger

router = APIRouter(tags=["ledger"])

COUNTED = ("stored", "duplicate", "rejected", "unknown_fields")


@router.get("/ledger", summary="received = stored + duplicate + rejected + pending", responses=problems(503))
async def read_ledger(services: Provided) -> models.Ledger:
    """Counts in readings. What is pending is told by the pipeline each tick, for all streams together."""
    rows = await ledger.by_stream(services.database)
    streams = {row["stream"]: counts(row, 0) for row in rows}
    total = {name: sum(int(row[name]) for row in rows) for name in COUNTED}
    ended = sum(total[name] for name in ("stored", "duplicate", "rejected"))
    whole = counts(total, pending(ended, services.hub.snapshot.tick.pipeline))
    return models.Ledger(**whole.model_dump(), streams=streams)


def pending(ended: int, told: Mapping[str, Any]) -> int:
    """What is still open of the pipeline's last word, now that the ledger accounts for ``ended`` readings.

    What was pending then and has ended since must not count twice: the sum would fall again with the next tick.
    """
    then = told.get("ledger")
    if isinstance(then, Mapping):
        return max(0, int(then["ended"]) + int(then["pending"]) - ended)
    said = told.get("pending", 0)  # not told as long as the pipeline has not reached the database
    return said if isinstance(said, int) and said > 0 else 0


def counts(row: Mapping[str, Any], pending: int) -> models.Counts:
    """A row of the ledger with what it adds up to."""
    ended = {name: int(row[name]) for name in COUNTED}
    received = ended["stored"] + ended["duplicate"] + ended["rejected"] + pending
    return models.Counts(received=received, pending=pending, **ended)
