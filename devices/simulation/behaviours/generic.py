"""A device of any kind, made from its declaration alone: every field walks slowly within usual values of its unit."""

import random
from collections.abc import Callable

from devices.contract import FieldSpec, Stream
from devices.explaining import explain
from devices.simulation.behaviour import Fields, Happening, Moment, Site
from devices.simulation.signals import HOUR, Curve, Walk, clamp, happens
from devices.units import format_instant, format_point

USUAL: dict[str, tuple[float, float]] = {
    "1": (0.2, 0.7), "%": (30, 75), "°C": (12, 30), "dB(A)": (48, 72), "µg/m³": (8, 60), "mg/m³": (0.05, 0.9),
    "km/h": (10, 50), "m/s": (0.5, 7), "kW": (5, 80), "kWh": (100, 5000), "kg": (5, 120), "V": (225, 235),
    "A": (2, 60), "Hz": (49.95, 50.05), "hPa": (1000, 1025), "mm": (0, 4), "m": (0.2, 3), "lx": (50, 20000),
    "": (2, 60),
}  # fmt: skip
EVENTS_PER_DAY = 12.0
_DAILY = Curve((3, -1.0), (8, 0.6), (13, 0.4), (18, 1.0), (22, 0.0))

Signal = Callable[[Moment, random.Random], object]


class AnyLife:
    """A device whose kind has no behaviour of its own."""

    wake_at: int | None = None

    def __init__(self, site: Site, start: Moment, rng: random.Random) -> None:
        self._events = site.kind.event_streams
        self._signals = {
            stream.name: {spec.name: _signal(spec, site, rng) for spec in stream.fields} for stream in site.kind.streams
        }
        self._telemetry = site.kind.stream
        self._keep_valid(self._telemetry, start, rng)
        for stream in self._events.values():
            self._keep_valid(stream, start, rng)

    def _fields(self, stream: Stream, moment: Moment, rng: random.Random) -> Fields:
        return {name: signal(moment, rng) for name, signal in self._signals[stream.name].items()}

    def _keep_valid(self, stream: Stream, start: Moment, rng: random.Random) -> None:
        """Leave out optional fields whose pattern or bounds cannot be met by guessing."""
        signals = self._signals[stream.name]
        for spec in stream.fields:
            sample = {"dateObserved": format_instant(start.at), **self._fields(stream, start, rng)}
            flaw = explain(stream, sample)
            if flaw is None:
                return
            if flaw.detail.startswith(spec.name) and not spec.required:
                del signals[spec.name]

    def report(self, moment: Moment, rng: random.Random) -> tuple[Fields, list[Happening]]:
        happenings = [
            Happening(event, moment.at, self._fields(stream, moment, rng))
            for event, stream in self._events.items()
            if happens(EVENTS_PER_DAY / 24 / HOUR, moment.passed, rng)
        ]
        return self._fields(self._telemetry, moment, rng), happenings

    def occur(self, at: int, local: float, rng: random.Random) -> list[Happening]:
        return []


def usual_range(spec: FieldSpec) -> tuple[float, float]:
    """Usual low and high value of a numeric field: by its unit, within its bounds."""
    low, high = USUAL.get(spec.unit.symbol if spec.unit else "", (2.0, 60.0))
    lower = spec.lower if spec.lower is not None else min(low, spec.upper or low)
    upper = spec.upper if spec.upper is not None else max(high, lower + 1)
    if lower <= low < high <= upper:
        return low, high
    return lower + 0.2 * (upper - lower), lower + 0.7 * (upper - lower)


def _signal(spec: FieldSpec, site: Site, rng: random.Random) -> Signal:
    if spec.type in ("number", "integer"):
        return _walk(spec, site, rng)
    if spec.type == "boolean":
        return lambda moment, rng: rng.random() < 0.05 + 0.1 * site.trouble
    if spec.type == "choice":
        return _Choice(spec.choices)
    if spec.type == "instant":
        return lambda moment, rng: format_instant(moment.at)
    if spec.type == "point":
        return lambda moment, rng: format_point((site.lon, site.lat))
    text = f"{spec.name}-{site.ordinal % 5 + 1}"[: spec.max_length].ljust(spec.min_length, "x")
    return lambda moment, rng: text


def _walk(spec: FieldSpec, site: Site, rng: random.Random) -> Signal:
    low, high = usual_range(spec)
    span = high - low
    level = low + span * (rng.uniform(0.3, 0.7) + 0.25 * site.trouble)
    walk = Walk.drawn(0.1 * span, HOUR, rng)
    lower = spec.lower if spec.lower is not None else low - span
    upper = spec.upper if spec.upper is not None else high + span
    edge = 1e-6 * (upper - lower) if spec.type == "number" else 1.0
    lower += edge if spec.exclusive_lower else 0.0
    upper -= edge if spec.exclusive_upper else 0.0

    def value(moment: Moment, rng: random.Random) -> float | int:
        raw = level + 0.2 * span * _DAILY.at(moment.local) + walk.step(moment.passed, rng)
        if spec.type == "integer":
            return int(clamp(round(raw), lower, upper))
        return clamp(round(raw, 4), lower, upper)

    return value


class _Choice:
    """Stays with a choice for about half an hour; the first one declared is the most usual."""

    def __init__(self, choices: tuple[str, ...]) -> None:
        self._choices = choices
        self._weights = [1 / (1 + index) for index in range(len(choices))]
        self._now: str | None = None

    def __call__(self, moment: Moment, rng: random.Random) -> str:
        if self._now is None or happens(2 / HOUR, moment.passed, rng):
            self._now = rng.choices(self._choices, self._weights)[0]
        return self._now
