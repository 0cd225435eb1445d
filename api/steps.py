"""The steps of a history from what they are made of: minutes and roll-ups in the order of time. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

Row = Mapping[str, Any]


def steps(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """One step for each bucket; ``rows`` are ordered by time. What a row does not have, a minute has not."""
    for bucket, parts in groupby(rows, key=lambda row: row["bucket"]):
        yield {"bucket": bucket} | _step(list(parts))


def _step(parts: Sequence[Row]) -> dict[str, Any]:
    last = next((part for part in reversed(parts) if part["minutes"]), parts[-1])
    minutes = sum(part["minutes"] for part in parts)
    valued, values = _figures(parts, "value", "valued")
    scored, scores = _figures(parts, "score", "scored")
    return {
        "observed_at": last["last"],
        "value": last["value_last"],
        "score": last["score_last"],
        "coverage": round(sum(part["coverage"] * part["minutes"] for part in parts) / minutes, 6) if minutes else 0.0,
        "freshness": None if last.get("freshness") is None else round(last["freshness"], 3),
        "state": "final" if all(part["state"] == "final" for part in parts) else "provisional",
        "revision": max(part["revision"] for part in parts),
        "reason": last["reason"],
        "method_version": last["method_version"],
        "computed_at": max(part["computed_at"] for part in parts),
        "minutes": minutes,
        "valued": valued or scored,
        "values": values,
        "scores": scores,
    }


def _figures(parts: Sequence[Row], what: str, counted: str) -> tuple[int, dict[str, float | None]]:
    """How many minutes have one, and mean, least and largest."""
    count, total = 0, 0.0
    lowest: list[float] = []
    highest: list[float] = []
    for part in parts:
        one = part[f"{what}_last"]
        minutes = part.get(counted, 0 if one is None else 1)
        if minutes:
            mean = part.get(f"{what}_mean", one)
            count, total = count + minutes, total + mean * minutes
            lowest.append(part.get(f"{what}_min", one))
            highest.append(part.get(f"{what}_max", one))
    if not count:
        return 0, {"mean": None, "min": None, "max": None}
    return count, {"mean": total / count, "min": min(lowest), "max": max(highest)}
