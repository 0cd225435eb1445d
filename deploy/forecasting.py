"""`cityvitals forecast`: back-test the forecast on anybody's series, beside the naive seasonal one."""

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from deploy.errors import DeployError
from processing.backtests import Backtest, backtest
from processing.forecasts import LEVELS

Floats = NDArray[np.float64]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
_MILLISECONDS_FROM = 1e11


@dataclass(frozen=True)
class Wanted:
    """What the command line asked for."""

    file: Path
    columns: tuple[str, ...] = ()
    """columns with values; all others that hold numbers, unless given"""
    time: tuple[str, ...] = ()
    """column with the time, or several to be read as one; the first, unless given"""
    by: str | None = None
    """column that tells series apart"""
    step: timedelta = timedelta(hours=1)
    horizon: timedelta = timedelta(hours=6)
    holdout: timedelta = timedelta(days=7)
    time_format: str | None = None
    json: Path | None = None


@dataclass(frozen=True)
class Outcome:
    """A series and its back-test, or why there is none."""

    series: str
    start: datetime | None
    end: datetime | None
    result: Backtest | None
    reason: str | None = None


def run_forecast(wanted: Wanted) -> int:
    """Read, back-test, tell; the process's exit code. Raises DeployError when the file or an option is no use."""
    check_lengths(wanted)
    outcomes = [_test(name, times, values, wanted) for name, times, values in read_series(wanted)]
    if wanted.json is None or str(wanted.json) != "-":
        _tell(outcomes, wanted)
    if wanted.json is not None:
        text = json.dumps(document(outcomes, wanted), indent=1, ensure_ascii=False, allow_nan=False)
        if str(wanted.json) == "-":
            print(text)
        else:
            wanted.json.write_text(text + "\n", encoding="utf-8")
    return 0 if any(outcome.result for outcome in outcomes) else 1


def check_lengths(wanted: Wanted) -> None:
    """Raise DeployError where step, horizon and holdout do not fit each other."""
    if DAY % wanted.step:
        raise DeployError(f"--step is {wanted.step}, must divide a day, as 15m and 1h do")
    for name, length in (("--horizon", wanted.horizon), ("--holdout", wanted.holdout)):
        if length % wanted.step:
            raise DeployError(f"{name} is {length}, must be a multiple of the step, {wanted.step}")
    if wanted.horizon > DAY:
        raise DeployError(f"--horizon is {wanted.horizon}, must be at most a day")


def read_series(wanted: Wanted) -> list[tuple[str, Floats, Floats]]:
    """Every series of a CSV file (also .gz): name, seconds since 1970, values; NaN = no number.

    A time without offset is taken as it stands. Raises DeployError naming the column or line.
    """
    try:
        with _open(wanted.file) as file:
            return _collect(file, wanted)
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as error:
        raise DeployError(f"cannot read {wanted.file}: {error}") from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _collect(file: TextIO, wanted: Wanted) -> list[tuple[str, Floats, Floats]]:
    header_line = file.readline()
    delimiter = max(",;\t|", key=header_line.count)
    header = next(csv.reader([header_line], delimiter=delimiter), [])
    time_at = [_place(header, name, wanted.file) for name in wanted.time or tuple(header[:1])]
    by_at = None if wanted.by is None else _place(header, wanted.by, wanted.file)
    value_at = [_place(header, name, wanted.file) for name in wanted.columns] or [
        at for at in range(len(header)) if at not in time_at and at != by_at
    ]
    found: dict[str, tuple[list[float], list[float]]] = {}
    for number, row in enumerate(csv.reader(file, delimiter=delimiter), start=2):
        if not row:
            continue
        try:
            at = _seconds(" ".join(row[place] for place in time_at), wanted.time_format)
        except (ValueError, IndexError) as error:
            right = wanted.time_format or "RFC 3339 or seconds since 1970, else --time-format says how to read it"
            raise DeployError(f"{wanted.file} line {number}: {error}; the time must be {right}") from None
        for place in value_at:
            name = header[place] if by_at is None else f"{row[by_at]}: {header[place]}"
            times, values = found.setdefault(name, ([], []))
            times.append(at)
            values.append(_number(row[place]) if place < len(row) else float("nan"))
    series = [(name, np.array(times), np.array(values)) for name, (times, values) in found.items()]
    numeric = [one for one in series if np.isfinite(one[2]).any() or wanted.columns]
    if not numeric:
        raise DeployError(f"{wanted.file} has no column with numbers besides the time")
    return numeric


def _place(header: Sequence[str], name: str, file: Path) -> int:
    if name not in header:
        raise DeployError(f"{file} has no column {name!r}, it has {', '.join(header)}")
    return header.index(name)


def _seconds(text: str, time_format: str | None) -> float:
    text = text.strip()
    try:
        if time_format is None:
            number = float(text)
            return number / 1000 if number >= _MILLISECONDS_FROM else number
    except ValueError:
        pass
    when = datetime.strptime(text, time_format) if time_format else datetime.fromisoformat(text)  # noqa: DTZ007
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return float("nan")
    return value if np.isfinite(value) else float("nan")


def stepped(times: Floats, values: Floats, step: float) -> tuple[float, Floats]:
    """Mean of what falls into each step of ``step`` seconds: the first step's start, and the steps, NaN = nothing."""
    known = np.isfinite(values) & np.isfinite(times)
    if not known.any():
        return 0.0, np.full(0, np.nan)
    index = np.floor(times[known] / step).astype(np.int64)
    first = int(index.min())
    count = np.bincount(index - first)
    total = np.bincount(index - first, values[known])
    return first * step, np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def _test(name: str, times: Floats, values: Floats, wanted: Wanted) -> Outcome:
    step = wanted.step.total_seconds()
    first, series = stepped(times, values, step)
    if not len(series):
        return Outcome(name, None, None, None, "no value is a number")
    start, end = (EPOCH + timedelta(seconds=first + steps * step) for steps in (0, len(series)))
    day, horizon, holdout = (int(length / wanted.step) for length in (DAY, wanted.horizon, wanted.holdout))
    try:
        return Outcome(name, start, end, backtest(series, day, horizon, holdout))
    except ValueError as error:
        return Outcome(name, start, end, None, str(error))


def document(outcomes: Sequence[Outcome], wanted: Wanted) -> dict[str, Any]:
    """All figures, for other programs; null = nothing to compare."""
    return {
        "file": wanted.file.name,
        "stepSeconds": int(wanted.step.total_seconds()),
        "horizonSeconds": int(wanted.horizon.total_seconds()),
        "holdoutSeconds": int(wanted.holdout.total_seconds()),
        "series": [_entry(outcome) for outcome in outcomes],
        "share": _shares(outcomes),
    }


def _entry(outcome: Outcome) -> dict[str, Any]:
    frame = {
        "series": outcome.series,
        "from": outcome.start and outcome.start.isoformat(),
        "to": outcome.end and outcome.end.isoformat(),
        "reason": outcome.reason,
    }
    if outcome.result is None:
        return frame
    result = outcome.result
    ways = {"model": result.model, "seasonalNaiveWeek": result.weekly, "seasonalNaiveDay": result.daily}
    return frame | {
        "compared": result.compared,
        "scale": _known(result.scale),
        **{way: {"mae": _known(score.mae), "mase": _known(score.mase)} for way, score in ways.items()},
        "maseByStep": [_known(value) for value in result.model.mase_by_step.tolist()],
        "skill": _known(result.skill),
        "coverage": {f"{level:g}": share for level, share in zip(LEVELS, result.coverage, strict=True)},
        "width": {f"{level:g}": width for level, width in zip(LEVELS, result.width, strict=True)},
    }


def _shares(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    tested = [outcome.result for outcome in outcomes if outcome.result and np.isfinite(outcome.result.model.mase)]
    if not tested:
        return {"series": 0, "maseBelow1": None, "betterThanSeasonalNaive": None}
    return {
        "series": len(tested),
        "maseBelow1": sum(test.model.mase < 1 for test in tested) / len(tested),
        "betterThanSeasonalNaive": sum(test.model.mae < test.weekly.mae for test in tested) / len(tested),
    }


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _tell(outcomes: Sequence[Outcome], wanted: Wanted) -> None:
    table = Table(title=f"{wanted.file.name}: {wanted.horizon} ahead, last {wanted.holdout} held out", box=None)
    table.add_column("series")
    heads = ("MASE", "naive week", "naive day", "skill", *(f"in {level:.0%}" for level in LEVELS), "compared")
    for head in heads:
        table.add_column(head, justify="right")
    for outcome in outcomes:
        table.add_row(outcome.series, *_cells(outcome))
    shares = _shares(outcomes)
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 140)
    console.print(table)
    if shares["series"]:
        console.print(
            f"MASE < 1 in {shares['maseBelow1']:.0%} and better than last week's value in "
            f"{shares['betterThanSeasonalNaive']:.0%} of {shares['series']} series"
        )


def _cells(outcome: Outcome) -> Iterator[str]:
    result = outcome.result
    if result is None:
        yield f"no forecast: {outcome.reason}"
        return
    for score in (result.model, result.weekly, result.daily):
        yield "–" if not np.isfinite(score.mase) else f"{score.mase:.3f}"
    yield "–" if not np.isfinite(result.skill) else f"{result.skill:+.1%}"
    for share in result.coverage:
        yield f"{share:.1%}"
    yield str(result.compared)
