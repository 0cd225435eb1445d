"""The kinds of devices a city has: every module of this package that declares ``KIND`` is one, found by being there."""

import importlib
import pkgutil
from functools import cache

from devices.contract import ContractError, Kind, Stream


@cache
def kinds() -> dict[str, Kind]:
    """All kinds by id, in alphabetical order.

    Raises ContractError naming the module when a file of this package declares no ``KIND`` or repeats an id.
    """
    found: dict[str, Kind] = {}
    for module_info in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        kind = getattr(module, "KIND", None)
        if not isinstance(kind, Kind):
            raise ContractError(f"devices/kinds/{module_info.name}.py must declare KIND = Kind(...)")
        if kind.id in found:
            raise ContractError(f"devices/kinds/{module_info.name}.py declares kind {kind.id} a second time")
        found[kind.id] = kind
    return dict(sorted(found.items()))


@cache
def streams() -> dict[str, Stream]:
    """All streams of all kinds by name."""
    return {stream.name: stream for kind in kinds().values() for stream in kind.streams}
