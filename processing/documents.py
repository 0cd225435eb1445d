"""A snapshot as the JSON documents that clients read (one per area) and as a minute of history; pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.city import City
from processing.contributions import Laggards, Part, Shares, Worst
from processing.engine import Engine, Snapshot
from processing.fragments import Flags, Pages, Place, Watched, fields
from processing.method import Domain, Indicator
from processing.minutes import Minute, Said, State
from processing.scoring import NO_DEVICES, NOT_APPLICABLE, Values

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COMPOSITE = "composite"


class Documents:
    """Writes snapshots of one city and one table of indicators."""

    def __init__(self, city: City, engine: Engine) -> None:
        self._city = city
        self._zone = city.timezone
        places = _places(engine)
        self._indices = list(places)
        self._indicators = {indicator.id for indicator in engine.indicators}
        areas = len(city.areas)
        frames = [b"{" + fields({"area": a.code, "level": a.level, "name": a.name}) + b',"tick":' for a in city.areas]
        self._pages = Pages(frames, list(places.values()), b"}}")
        self._parts = self._parts_of(engine)
        self._behind = {
            index: Shares(areas, self._parts[index]) if index in self._parts else Laggards(areas)
            for index in self._indices
        }
        self._devices = Watched()

    def write(self, snapshot: Snapshot, tick: int, worst: Worst) -> Iterator[tuple[str, bytes]]:
        """Yield (area code, vitals document as JSON) for every area; what did not change is not put together anew."""
        self._update_devices(snapshot)
        values = [_values(snapshot, index) for index in self._indices]
        numbers = np.array([(value.value, value.score, np.round(value.coverage, 6)) for value in values])
        numbers[[index not in self._indicators for index in self._indices], 0] = np.nan  # an index has a score alone
        reasons = np.array([value.reason for value in values])
        self._pages.say_numbers(numbers)
        also = self._update_contributions(snapshot, numbers[:, 1], reasons, worst)
        self._pages.say_reasons(reasons, also, [self._behind[index].lists for index in self._indices])
        freshness = np.round(np.maximum(np.array([value.freshness for value in values]), 0), 3)
        said = {"at": iso(snapshot.at, self._zone), "methodVersion": snapshot.method_version}
        pages = self._pages.write(b"%d,%b," % (tick, fields(said)), freshness)
        for area, page in zip(self._city.areas, pages, strict=True):
            yield area.code, page

    def _update_devices(self, snapshot: Snapshot) -> None:
        expected, reporting = snapshot.expected, snapshot.reporting
        changed = self._devices.changed(np.array([*expected.values(), *reporting.values()])).any(axis=0)
        for label in np.flatnonzero(changed).tolist():
            devices = {
                kind: {"expected": int(counts[label]), "reporting": int(reporting[kind][label])}
                for kind, counts in expected.items()
            }
            self._pages.say_devices(label, b"%b," % fields({"devices": devices}))

    def _update_contributions(
        self, snapshot: Snapshot, scores: NDArray[np.float64], reasons: NDArray[np.int8], worst: Worst
    ) -> Flags:
        """Where they differ from those at the tick before, by index and area."""
        changed = np.zeros(reasons.shape, np.bool_)
        applies = (reasons != NO_DEVICES) & (reasons != NOT_APPLICABLE)
        for row, index in enumerate(self._indices):
            behind = self._behind[index]
            if isinstance(behind, Laggards):
                changed[row, behind.update(worst.get(index, {}))] = True
            elif self._parts[index]:
                points = snapshot.composite_points if index == COMPOSITE else snapshot.domain_points[index]
                own = np.array([points[part.id] for part in self._parts[index]])
                changed[row] = behind.update(scores, applies, own)
        return changed

    def _parts_of(self, engine: Engine) -> dict[str, list[Part]]:
        """The parts with a weight of every index that is no indicator."""
        rows = {index: row for row, index in enumerate(self._indices)}
        members: dict[str, list[Domain | Indicator]] = {COMPOSITE: [*engine.domains]}
        members |= {domain.id: [i for i in engine.indicators if i.domain == domain.id] for domain in engine.domains}
        return {
            whole: [Part(one.id, one.weight, rows[one.id]) for one in parts if one.weight]
            for whole, parts in members.items()
        }

    def history(self, snapshot: Snapshot, state: State = "provisional") -> Minute:
        """What is kept of a snapshot."""
        return minute_of(snapshot, self._city, state)


def minute_of(snapshot: Snapshot, city: City, state: State) -> Minute:
    """What is kept of a snapshot: an index has a score, an indicator a value as well."""
    groups = {COMPOSITE: snapshot.composite, **snapshot.domains, **snapshot.indicators}
    said = {index: Said.of(values, has_value=index in snapshot.indicators) for index, values in groups.items()}
    return Minute(
        at=snapshot.at,
        state=state,
        method_version=snapshot.method_version,
        areas=tuple(area.code for area in city.areas),
        zone=city.timezone,
        indices={index: one for index, one in said.items() if one.applies.any()},
    )


def iso(micros: int, zone: Any) -> str:
    """An instant in the city's time."""
    return (EPOCH + timedelta(microseconds=micros)).astimezone(zone).isoformat()


def _places(engine: Engine) -> dict[str, Place]:
    """Where each index stands in a document, in order."""
    made = {COMPOSITE: Place(b'"composite":{', b'},"domains":{', None)}
    for domain in engine.domains:
        opening = b"" if len(made) == 1 else b","
        opening += b'"%b":{%b,' % (domain.id.encode(), _name(domain))
        made[domain.id] = Place(opening, b',"indicators":{', None)
        members = [i for i in engine.indicators if i.domain == domain.id]
        for indicator in members:
            opening = b"" if indicator is members[0] else b","
            opening += b'"%b":{%b,' % (indicator.id.encode(), _name(indicator))
            closing = b"}}}" if indicator is members[-1] else b"}"
            made[indicator.id] = Place(opening, closing, indicator.unit)
    return made


def _values(snapshot: Snapshot, index: str) -> Values:
    if index == COMPOSITE:
        return snapshot.composite
    return snapshot.indicators[index] if index in snapshot.indicators else snapshot.domains[index]


def _name(of: Domain | Indicator) -> bytes:
    return fields({"name": {"zh": of.name_zh, "en": of.name_en}})
