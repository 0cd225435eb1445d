"""What a row of the table of indicators may say, the numbers that hold for all rows, and a table's version."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from devices.contract import Stream
from devices.kinds import kinds, streams
from processing.expressions import Elapsed, Expression, Needs, Position, check_fields

Aggregation = Literal[
    "latest_mean",
    "latest_sum",
    "latest_areas",
    "latest_deviation",
    "window_mean",
    "window_rate",
    "window_clear",
    "load_factor",
    "peak_to_average",
    "turnover",
    "mean_stay",
    "time_to_emptied",
    "time_to_full",
    "register_rate",
    "speed",
    "excess_wait",
    "headway_variation",
    "bunching",
    "devices_heard",
    "mean_age",
    "reject_share",
    "late_share",
]
SEQUENCES = ("turnover", "mean_stay", "time_to_emptied", "time_to_full", "register_rate", "speed")
"""aggregations of what becomes of a device's readings in order of time"""
SUMS = ("latest_sum", "register_rate")
"""aggregations whose value of an area is the sum of those of its parts"""
Goalposts = tuple[tuple[float, float], ...]

MINUTE, HOUR, DAY = 60, 3_600, 86_400
GENERATION = 2
"""raised when the same numbers come to mean something else; 2: a hut that is full has 0 hours to full, also at rest"""
MINIMUM_COVERAGE = 2 / 3
"""OECD/JRC Handbook on Constructing Composite Indicators (2008): availability threshold"""
FLOOR = 1.0
"""a domain counts at least this much in the composite: a geometric mean needs values above 0"""
STALE_AFTER_INTERVALS = 3
"""a device that missed this many reports in a row counts as silent"""
SHORTEST_STALE = 5.0
"""seconds: below this, delays of the path would look like silence"""
FREQUENT_HEADWAY = 720
"""seconds: excess wait is measured where a bus is scheduled at least every 12 minutes, 5 an hour (TfL)"""
SENSING = ("devices_heard", "mean_age", "reject_share", "late_share")
"""aggregations over all devices of some kinds: the system's own health"""
HEADWAYS = ("excess_wait", "headway_variation", "bunching")
"""aggregations of the headways between arrivals"""
BUNCHED_BELOW = 0.5
"""of the mean scheduled headway: a bus that follows closer is bunched"""
EMPTIED_BY = 0.2
"""a fill that falls by this much from one point to the next was emptied in between"""
LONGEST_TO_FULL = 72.0
"""hours: a forecast beyond that says no more than 'not soon'"""
SHORTEST_REGISTER_SPAN = HOUR
"""seconds: less of a register is no ground for a rate"""
LONGEST_PANE = HOUR
"""seconds: a ring of panes keeps the time within a pane in 32 bits of µs"""
PANES_PER_WINDOW = 360
SHORTEST_PANE = 10


@dataclass(frozen=True)
class Domain:
    """A side of city life with an index of its own."""

    id: str
    name_zh: str
    name_en: str
    weight: float = 1.0


@dataclass(frozen=True)
class Indicator:
    """One row of the table.

    ``aggregation`` over an area's devices:
    latest_mean   Σ value / Σ per over the newest reading of every fresh device (per = 1 unless given)
    latest_sum    Σ value over the newest reading of every fresh device
    latest_deviation  (Σ value − b) / b over the newest reading of every fresh device; b is what the indicator
                  ``baseline_of`` (the same sum) usually is at this hour of the week
    latest_areas  share of the areas with reporting devices of their own in which one has a value above 0
    window_mean   Σ value / Σ per over the readings of the last ``window`` seconds
    window_rate   Σ value of the last ``window`` seconds, per reporting device and ``rate_per`` seconds
    window_clear  share of the reporting devices without a reading of the last ``window`` seconds whose value is above 0
    load_factor   mean / largest of the panes' means Σ value / Σ per; peak_to_average: the inverse of that
    turnover      Σ changes of ``value`` from 0 to 1 / Σ hours looked at
    mean_stay     Σ minutes at 1 / Σ changes from 0 to 1
    time_to_emptied  Σ hours at 1 / Σ changes from 0 to 1, or at 1 from the start
    time_to_full  mean of the hours until ``value`` is 1, by the Theil–Sen slope of the panes' last readings
    register_rate  Σ rise of the register per ``rate_per`` seconds, times ``factor``
    speed         Σ metres / Σ seconds, in km/h, between the panes' last places of one trip (``entity``)
                  (these six: over the fresh devices, from the ``window`` that ends with the newest reading of each)
    excess_wait   Σh²/2Σh − Σs²/2Σs over the headways h observed (end of ``value``, an Elapsed) and s scheduled
                  (its start) of each ``entity`` in the last ``window`` seconds
    devices_heard, mean_age, reject_share, late_share   of the ``observed`` kinds: devices heard lately / expected;
                  mean age of the newest reading of those; readings refused / refused and stored, and readings that
                  came later than the lateness of their stream / readings, in the last ``window`` seconds
    headway_variation, bunching  coefficient of variation of x = h / mean s of the entity, share of x below one half

    ``entity`` names the fields that together tell whose headways are measured. ``pane``: seconds, 0 = as long as the
    window asks for. Where something is measured, but fewer than ``fewest`` times (devices, readings, panes, headways:
    whatever the aggregation counts), the indicator does not apply.
    """

    id: str
    name_zh: str
    name_en: str
    unit: str
    stream: str
    aggregation: Aggregation
    value: Expression
    source: str
    goalposts: Goalposts = ()
    weight: float = 1.0
    per: Expression | None = None
    window: int = HOUR
    pane: int = 0
    rate_per: int = DAY
    factor: float = 1.0
    minimum_coverage: float = MINIMUM_COVERAGE
    fewest: int = 1
    baseline_of: str = ""
    entity: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    note: str = ""

    @property
    def domain(self) -> str:
        return self.id.split(".", 1)[0]


class IndicatorError(Exception):
    """A row of the table cannot be used."""


def check_table(table: Sequence[Indicator], domains: Sequence[Domain]) -> None:
    """Raise IndicatorError naming the row and what would be right."""
    known, seen = {domain.id for domain in domains}, set()
    for row in table:
        if row.stream not in streams():
            raise IndicatorError(f"indicator {row.id}: stream {row.stream!r} must be one of {', '.join(streams())}")
        if row.domain not in known or row.id in seen:
            raise IndicatorError(f"indicator {row.id} must be unique and begin with a domain of {sorted(known)}")
        seen.add(row.id)
        try:
            _check_scores(row)
            _check_fields(row, streams()[row.stream])
            _check_baseline(row, table)
        except ValueError as error:
            raise IndicatorError(f"indicator {row.id}: {error}") from None


def _check_scores(row: Indicator) -> None:
    posts = [value for value, _ in row.goalposts]
    if posts != sorted(set(posts)) or any(not 0 <= score <= 100 for _, score in row.goalposts):
        raise ValueError("goalposts must rise in value and score 0–100")
    if row.weight < 0 or (row.weight and not row.goalposts):
        raise ValueError(f"weight is {row.weight} with {len(posts)} goalposts, must be 0 without, at least 0 with them")
    if row.window < SHORTEST_PANE or row.window % pane_of(row):
        raise ValueError(
            f"window is {row.window} s, must be a multiple of {pane_of(row)} s, "
            f"{'its pane' if row.pane else 'the pane of windows of its length'}, and at least {SHORTEST_PANE} s"
        )
    if row.aggregation in SEQUENCES and pane_of(row) > LONGEST_PANE:
        raise ValueError(f"pane is {pane_of(row)} s, must be at most {LONGEST_PANE} s")


def _check_fields(row: Indicator, stream: Stream) -> None:
    for expression in (row.value, *([row.per] if row.per else [])):
        check_fields(expression, stream)
    if row.aggregation in ("speed", "time_to_full", "register_rate") and len(needs(row)) != 1:
        raise ValueError(f"{row.aggregation} needs a value of one group of fields")
    known = {other.kind for other in streams().values()}
    if (row.aggregation in SENSING) != bool(row.observed) or not known.issuperset(row.observed):
        raise ValueError(f"observed is {row.observed}, must name kinds for {', '.join(SENSING)}, else nothing")
    if row.aggregation in HEADWAYS and not (isinstance(row.value, Elapsed) and row.entity):
        raise ValueError(f"{row.aggregation} needs an Elapsed(scheduled, observed) as value, and an entity")
    if row.aggregation == "speed" and not (isinstance(row.value, Position) and row.entity):
        raise ValueError("speed needs a Position as value, and the trip as entity")
    for name in row.entity:
        if name not in stream.field_by_name:
            raise ValueError(f"entity field {name!r} must be one of {', '.join(stream.field_by_name)}")


def _check_baseline(row: Indicator, table: Sequence[Indicator]) -> None:
    if (row.aggregation == "latest_deviation") != bool(row.baseline_of):
        raise ValueError("latest_deviation, and nothing else, needs baseline_of")
    if row.baseline_of and not any(
        other.id == row.baseline_of
        and (other.aggregation, other.stream, other.value) == ("latest_sum", row.stream, row.value)
        for other in table
    ):
        raise ValueError(
            f"baseline_of is {row.baseline_of!r}, must be a latest_sum of the same value in the same table"
        )


def baselines_of(table: Sequence[Indicator]) -> list[str]:
    """The indicators whose baselines others are compared with."""
    return sorted({row.baseline_of for row in table if row.baseline_of})


def pane_seconds(window: int) -> int:
    """Length of a window's panes: 10 s for windows up to an hour, longer ones are cut into 360."""
    return max(SHORTEST_PANE, window // PANES_PER_WINDOW)


def pane_of(indicator: Indicator) -> int:
    """Length, in seconds, of the panes of an indicator's window."""
    return indicator.pane or pane_seconds(indicator.window)


def kind_of(indicator: Indicator) -> str:
    """The kind whose devices are expected to report the indicator."""
    return streams()[indicator.stream].kind


def is_event(indicator: Indicator) -> bool:
    """Whether the indicator looks at events, which come when they come, not at periodic telemetry."""
    return streams()[indicator.stream].is_event


def needs(indicator: Indicator) -> Needs:
    """What a device must be equipped with (``attributes.measures``) to be expected: one field of each group.

    For an event that is counted, whatever its value: a field that the kind's telemetry does not have.
    """
    groups = (*indicator.value.needs, *(indicator.per.needs if indicator.per else ()))
    stream = streams()[indicator.stream]
    if groups or not stream.is_event:
        return groups
    own = tuple(name for name in stream.field_by_name if name not in streams()[stream.kind].field_by_name)
    return (own,) if own else ()


def method_version(table: Sequence[Indicator], domains: Sequence[Domain]) -> str:
    """Version of the method: the generation of the code and a digest of every number of the table."""
    rules = (
        MINIMUM_COVERAGE,
        FLOOR,
        STALE_AFTER_INTERVALS,
        SHORTEST_STALE,
        FREQUENT_HEADWAY,
        PANES_PER_WINDOW,
        SHORTEST_PANE,
        BUNCHED_BELOW,
        EMPTIED_BY,
        LONGEST_TO_FULL,
        SHORTEST_REGISTER_SPAN,
    )
    late = [(kind, kinds()[kind].lateness) for row in table if row.aggregation == "late_share" for kind in row.observed]
    rows = [replace(row, weight=float(row.weight), goalposts=_floats(row.goalposts)) for row in table]
    sides = [replace(domain, weight=float(domain.weight)) for domain in domains]
    digest = hashlib.blake2b(repr((rules, late, rows, sides)).encode(), digest_size=4).hexdigest()
    return f"{GENERATION}-{digest}"


def _floats(goalposts: Goalposts) -> Goalposts:
    """Numbers as a policy file gives them, so that 60 and 60.0 are the same version."""
    return tuple((value + 0.0, score + 0.0) for value, score in goalposts)
