"""A snapshot as the JSON documents that clients read (one per area) and as a minute of history; pure."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from devices.city import City
from processing.engine import Engine, Snapshot
from processing.fragments import Flags, Fragments, Watched, fields, numbers
from processing.laggards import Laggard
from processing.method import Domain, Indicator
from processing.minutes import Minute, Said, State
from processing.scoring import NO_DEVICES, NOT_APPLICABLE, Values

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Worst = Mapping[str, Mapping[int, list[Laggard]]]
Contributions = Callable[[int], list[dict[str, Any]]]


class Documents:
    """Writes snapshots of one city and one table of indicators."""

    def __init__(self, city: City, engine: Engine) -> None:
        self._city = city
        self._zone = city.timezone
        self._indicators = engine.indicators
        self._domains = engine.domains
        self._weights = {i.id: i.weight for i in engine.indicators} | {d.id: d.weight for d in engine.domains}
        self._fragments = self._made_fragments()
        self._parts = {whole: Watched() for whole in ("composite", *(d.id for d in self._domains))}
        self._devices = Watched()
        self._worst: Worst = {}
        frames = [fields({"area": a.code, "level": a.level, "name": a.name}) for a in city.areas]
        # frame, tick, devices; head, freshness and tail of every index; end
        self._pages = [
            [b"{" + frame + b',"tick":', b"", b"", *[b""] * (3 * len(self._fragments)), b"}}"] for frame in frames
        ]

    def write(self, snapshot: Snapshot, tick: int, worst: Worst) -> Iterator[tuple[str, bytes]]:
        """Yield (area code, vitals document as JSON) for every area; what did not change is not put together anew."""
        self._update_devices(snapshot)
        ages = []
        for place, (index, fragments) in enumerate(self._fragments.items()):
            values = _values(snapshot, index)
            if index in snapshot.indicators:
                also, contributions = self._laggards(index, worst)
            else:
                also, contributions = self._shares(index, snapshot)
            for label in fragments.update(values, also, contributions):
                page = self._pages[label]
                page[3 + 3 * place], page[5 + 3 * place] = fragments.heads[label], fragments.tails[label]
            ages.append(numbers(np.round(np.maximum(values.freshness, 0), 3)))
        self._worst = worst
        said = {"at": iso(snapshot.at, self._zone), "methodVersion": snapshot.method_version}
        stamp = b"%d,%b," % (tick, fields(said))
        for area, page, own in zip(self._city.areas, self._pages, zip(*ages, strict=True), strict=True):
            page[1] = stamp
            page[4:-1:3] = own
            yield area.code, b"".join(page)

    def _made_fragments(self) -> dict[str, Fragments]:
        areas = len(self._city.areas)
        made = {"composite": Fragments(areas, b'"composite":{', b'},"domains":{', None)}
        for domain in self._domains:
            opening = b"" if len(made) == 1 else b","
            opening += b'"%b":{%b,' % (domain.id.encode(), _name(domain))
            made[domain.id] = Fragments(areas, opening, b',"indicators":{', None)
            members = [i for i in self._indicators if i.domain == domain.id]
            for indicator in members:
                opening = b"" if indicator is members[0] else b","
                opening += b'"%b":{%b,' % (indicator.id.encode(), _name(indicator))
                closing = b"}}}" if indicator is members[-1] else b"}"
                made[indicator.id] = Fragments(areas, opening, closing, indicator.unit)
        return made

    def _update_devices(self, snapshot: Snapshot) -> None:
        expected, reporting = snapshot.expected, snapshot.reporting
        for label in np.flatnonzero(self._devices.changed(*expected.values(), *reporting.values())).tolist():
            devices = {
                kind: {"expected": int(counts[label]), "reporting": int(reporting[kind][label])}
                for kind, counts in expected.items()
            }
            self._pages[label][2] = b"%b," % fields({"devices": devices})

    def _laggards(self, indicator: str, worst: Worst) -> tuple[Flags, Contributions]:
        """Where other devices pull an indicator down than at the tick before, and those that do."""
        now, before = worst.get(indicator, {}), self._worst.get(indicator, {})
        also = np.zeros(len(self._pages), np.bool_)
        if now is not before:
            also[[label for label in now.keys() | before.keys() if now.get(label) != before.get(label)]] = True
        return also, lambda label: [{"device": w.device, "value": w.value} for w in now.get(label, [])]

    def _shares(self, whole: str, snapshot: Snapshot) -> tuple[Flags, Contributions]:
        """Where the parts of an index, or their points, differ from those at the tick before, and the parts."""
        points = snapshot.composite_points if whole == "composite" else snapshot.domain_points[whole]
        parts = {part: _values(snapshot, part) for part in points if self._weights[part]}
        rows = [row for part, values in parts.items() for row in (values.score, values.reason, points[part])]
        also = self._parts[whole].changed(*rows) if rows else np.zeros(len(self._pages), np.bool_)

        def contributions(label: int) -> list[dict[str, Any]]:
            return [
                {
                    "id": part,
                    "weight": self._weights[part],
                    "score": float(values.score[label]),
                    "points": float(points[part][label]),
                }
                for part, values in parts.items()
                if values.reason[label] not in (NO_DEVICES, NOT_APPLICABLE)
            ]

        return also, contributions

    def history(self, snapshot: Snapshot, state: State = "provisional") -> Minute:
        """What is kept of a snapshot."""
        return minute_of(snapshot, self._city, state)


def minute_of(snapshot: Snapshot, city: City, state: State) -> Minute:
    """What is kept of a snapshot: an index has a score, an indicator a value as well."""
    groups = {"composite": snapshot.composite, **snapshot.domains, **snapshot.indicators}
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


def _values(snapshot: Snapshot, index: str) -> Values:
    if index == "composite":
        return snapshot.composite
    return snapshot.indicators[index] if index in snapshot.indicators else snapshot.domains[index]


def _name(of: Domain | Indicator) -> bytes:
    return fields({"name": {"zh": of.name_zh, "en": of.name_en}})
