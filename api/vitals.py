"""Vitals documents as values: what changed between two, what is left of one when the pipeline falls silent.

Pure. A document is the decoded JSON of ``cv1/{city}/out/{area}``; documents are never changed in place. An index is
named by its id: ``composite``, a domain (``parking``) or an indicator (``parking.kerb_occupancy``). A set of changes
holds the indices that changed, and ``devices`` if the counts of devices did; None is "the whole document".
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from devices.units import parse_instant

Document = Mapping[str, Any]
Changes = frozenset[str] | None

COMPOSITE = "composite"
SILENT = "pipeline_silent"

DEVICES = "devices"


class OutputError(ValueError):
    """A message on an output topic that no pipeline of this contract sends."""


@dataclass(frozen=True)
class Tick:
    """The message that closes a tick: its number, its time (also in microseconds since 1970), the pipeline's state."""

    number: int
    at: str
    at_micros: int
    method_version: str
    pipeline: Mapping[str, Any]
    alarms: Sequence[Mapping[str, Any]] = ()


def parse_tick(payload: bytes) -> Tick:
    """Read ``cv1/{city}/out/tick``; raises OutputError."""
    try:
        message = orjson.loads(payload)
        number, at = message["tick"], message["at"]
        if type(number) is not int or not 0 <= number < 2**53:
            raise OutputError(f"tick is {number!r}, must be a count")
        pipeline = message.get("pipeline") or {}
        alarms = [alarm for alarm in message.get("alarms") or [] if isinstance(alarm, dict)]
        version = str(message.get("methodVersion", ""))
        return Tick(number, str(at), parse_instant(at), version, dict(pipeline), alarms)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(f"not a tick message: {error!r}") from error


def parse_document(payload: bytes, area: str) -> Document:
    """Read ``cv1/{city}/out/{area}``; raises OutputError if its frame is not that of a vitals document."""
    try:
        document = orjson.loads(payload)
        if document["area"] != area or not isinstance(document["level"], str):
            raise OutputError(f"is of area {document['area']!r}, its topic says {area!r}")
        parse_instant(document["at"])
        for _, value in values(document):
            value["value"], value["score"]
        return dict(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(f"not a vitals document: {error!r}") from error


def values(document: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every index of a document with its VALUE: the composite, each domain, each indicator."""
    yield COMPOSITE, document[COMPOSITE]
    for domain, value in document["domains"].items():
        yield domain, value
        yield from value["indicators"].items()


def merged(first: Changes, second: Changes) -> Changes:
    """What changed over two steps."""
    return None if first is None or second is None else first | second


def with_values(document: Document, change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """The document with ``change`` applied to each of its VALUEs (``indicators`` of a domain are kept apart)."""
    domains = {}
    for domain, value in document["domains"].items():
        own = change({key: item for key, item in value.items() if key != "indicators"})
        domains[domain] = own | {"indicators": {index: change(item) for index, item in value["indicators"].items()}}
    return dict(document) | {COMPOSITE: change(document[COMPOSITE]), "domains": domains}


def restamped(document: Document, tick: int, at: str, older_by: float) -> dict[str, Any]:
    """The same values said at a later time: each is ``older_by`` seconds less fresh."""
    return with_values(document, lambda value: _aged(value, older_by)) | {"tick": tick, "at": at}


def silenced(document: Document, at: str, older_by: float) -> dict[str, Any]:
    """What is known of an area once the pipeline is silent: nothing, and since when."""

    def unknown(value: Mapping[str, Any]) -> dict[str, Any]:
        blank = {"value": None, "score": None, "coverage": 0.0, "state": "provisional", "reason": SILENT}
        return _aged(value, older_by) | blank | {"contributions": []}

    return with_values(document, unknown) | {"at": at}


def unheard(area: str, level: str, name: Mapping[str, str], at: str) -> dict[str, Any]:
    """The document of an area of which nothing was ever heard."""
    composite: dict[str, Any] = {
        "value": None,
        "unit": "",
        "score": None,
        "coverage": 0.0,
        "freshness": None,
        "state": "provisional",
        "revision": 0,
        "reason": SILENT,
        "contributions": [],
    }
    frame = {"area": area, "level": level, "name": dict(name), "tick": 0, "at": at, "methodVersion": ""}
    return frame | {COMPOSITE: composite, "domains": {}}


def compact(document: Document) -> dict[str, Any]:
    """A document without the contributions and without what a list says once for all (tick, at, methodVersion)."""
    slim = with_values(document, _slim)
    return {key: item for key, item in slim.items() if key not in ("tick", "at", "methodVersion")}


def single(document: Document, index: str) -> dict[str, Any]:
    """One index of a document, without its contributions, in the document's own shape."""
    named = {key: document[key] for key in ("area", "level", "name")}
    if index == COMPOSITE:
        return named | {COMPOSITE: _slim(document[COMPOSITE])}
    domains = {}
    for domain, value in document["domains"].items():
        if domain == index:
            domains[domain] = {key: item for key, item in _slim(value).items() if key != "indicators"}
        elif index in value["indicators"]:
            domains[domain] = {"indicators": {index: _slim(value["indicators"][index])}}
    return named | ({"domains": domains} if domains else {})


def _slim(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != "contributions"}


def _aged(value: Mapping[str, Any], older_by: float) -> dict[str, Any]:
    freshness = value.get("freshness")
    return dict(value) | {"freshness": None if freshness is None else round(freshness + older_by, 3)}
