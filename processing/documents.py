"""A snapshot as the JSON documents that clients read (one per area) and as a minute of history; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from devices.city import City
from processing.engine import Engine, Snapshot
from processing.laggards import Laggard
from processing.minutes import Minute, Said, State
from processing.scoring import NO_DEVICES, NOT_APPLICABLE, REASONS, Values

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Worst = Mapping[str, Mapping[int, list[Laggard]]]


@dataclass(frozen=True)
class _Columns:
    """Values as Python lists, so that building many documents does not go through numpy scalars."""

    value: list[float]
    score: list[float]
    coverage: list[float]
    freshness: list[float]
    reason: list[int]
    points: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Values, points: Mapping[str, Any] | None = None) -> "_Columns":
        return cls(
            values.value.tolist(),
            values.score.tolist(),
            np.round(values.coverage, 6).tolist(),
            np.round(np.maximum(values.freshness, 0), 3).tolist(),
            values.reason.tolist(),
            {part: shares.tolist() for part, shares in (points or {}).items()},
        )


class Documents:
    """Writes snapshots of one city and one table of indicators."""

    def __init__(self, city: City, engine: Engine) -> None:
        self._city = city
        self._zone = city.timezone
        self._indicators = engine.indicators
        self._domains = engine.domains
        self._weights = {i.id: i.weight for i in engine.indicators} | {d.id: d.weight for d in engine.domains}

    def write(self, snapshot: Snapshot, tick: int, worst: Worst) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (area code, vitals document) for every area."""
        at = iso(snapshot.at, self._zone)
        composite = _Columns.of(snapshot.composite, snapshot.composite_points)
        domains = {d.id: _Columns.of(snapshot.domains[d.id], snapshot.domain_points[d.id]) for d in self._domains}
        indicators = {i.id: _Columns.of(snapshot.indicators[i.id]) for i in self._indicators}
        for label, area in enumerate(self._city.areas):
            body: dict[str, Any] = {
                "area": area.code,
                "level": area.level,
                "name": area.name,
                "tick": tick,
                "at": at,
                "methodVersion": snapshot.method_version,
                "devices": {
                    kind: {"expected": int(expected[label]), "reporting": int(snapshot.reporting[kind][label])}
                    for kind, expected in snapshot.expected.items()
                },
                "composite": _value(composite, label) | {"contributions": self._parts(composite, domains, label)},
                "domains": {},
            }
            for domain in self._domains:
                columns = domains[domain.id]
                body["domains"][domain.id] = {
                    "name": {"zh": domain.name_zh, "en": domain.name_en},
                    **_value(columns, label),
                    "contributions": self._parts(columns, indicators, label),
                    "indicators": {},
                }
            for indicator in self._indicators:
                laggards = worst.get(indicator.id, {}).get(label, [])
                body["domains"][indicator.domain]["indicators"][indicator.id] = {
                    "name": {"zh": indicator.name_zh, "en": indicator.name_en},
                    **_value(indicators[indicator.id], label, indicator.unit),
                    "contributions": [{"device": w.device, "value": w.value} for w in laggards],
                }
            yield area.code, body

    def _parts(self, whole: _Columns, parts: Mapping[str, _Columns], label: int) -> list[dict[str, Any]]:
        return [
            {
                "id": part,
                "weight": self._weights[part],
                "score": _number(parts[part].score[label]),
                "points": _number(points[label]),
            }
            for part, points in whole.points.items()
            if self._weights[part] and parts[part].reason[label] not in (NO_DEVICES, NOT_APPLICABLE)
        ]

    def history(self, snapshot: Snapshot, state: State = "provisional") -> Minute:
        """What is kept of a snapshot: an index has a score, an indicator a value as well."""
        groups = {"composite": snapshot.composite, **snapshot.domains, **snapshot.indicators}
        said = {index: Said.of(values, has_value=index in snapshot.indicators) for index, values in groups.items()}
        return Minute(
            at=snapshot.at,
            state=state,
            method_version=snapshot.method_version,
            areas=tuple(area.code for area in self._city.areas),
            zone=self._zone,
            indices={index: one for index, one in said.items() if one.applies.any()},
        )


def iso(micros: int, zone: Any) -> str:
    """An instant in the city's time."""
    return (EPOCH + timedelta(microseconds=micros)).astimezone(zone).isoformat()


def _number(value: float) -> float | None:
    return None if value != value else value


def _value(columns: _Columns, label: int, unit: str | None = None) -> dict[str, Any]:
    return {
        "value": _number(columns.value[label]) if unit is not None else None,
        "unit": unit,
        "score": _number(columns.score[label]),
        "coverage": columns.coverage[label],
        "freshness": _number(columns.freshness[label]),
        "state": "provisional",
        "revision": 0,
        "reason": REASONS[columns.reason[label]],
    }
