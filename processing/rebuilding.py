"""Rebuild the stored vital signs of a span from stored readings, beside live traffic."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import psycopg

from devices.city import City
from devices.kinds import kinds
from processing.documents import minute_of
from processing.engine import Engine
from processing.policy import Policy
from processing.recompute import recompute
from processing.rollup_store import make_rollups
from processing.rollups import bucket
from processing.store import compare_history, newest_final_minute, write_history
from processing.usual import Usual
from processing.windows import MINUTE

Spans = Sequence[tuple[int, int, Policy]]
"""first and last minute (µs since 1970, both included) of each stretch under one policy"""


@dataclass(frozen=True)
class Done:
    """How far a rebuild has come: all minutes up to ``minute`` (µs) are written, and rolled up where a step is over."""

    minute: int
    values: int
    """said by these minutes, since the ``Done`` before"""
    changed: int
    """of them, different from what was stored, or not stored"""


def rebuild(
    readings: psycopg.Connection,
    writer: psycopg.Connection | None,
    stored: psycopg.Connection,
    city: City,
    spans: Spans,
) -> Generator[Done, None, None]:
    """Rebuild spans that follow one another; after each quarter-hour says how far it has come, then it can be left.

    ``readings``: the connection that is read by a thread of its own; ``writer``: None only compares with ``stored``.
    """
    last = spans[-1][1]
    since, values, changed = spans[0][0], 0, 0
    for first, end, policy in spans:
        with closing(recompute(readings, partial(new_engine, city, policy), first, end)) as snapshots:
            for snapshot in snapshots:
                minute = minute_of(snapshot, city, "final")
                values += len(minute)
                changed += compare_history(stored, minute) if writer is None else write_history(writer, minute)
                at = snapshot.at
                if at < last and bucket("quarter", at + MINUTE, city.timezone)[0] != at + MINUTE:
                    continue
                if writer is not None:
                    settled = max(at, newest_final_minute(writer) or at) if at == last else at
                    make_rollups(writer, minute.areas, city.timezone, since, at, settled)
                yield Done(at, values, changed)
                since, values, changed = at + MINUTE, 0, 0


def new_engine(city: City, policy: Policy) -> Engine:
    """An engine of the city under a policy."""
    codes = [area.code for area in city.areas]
    usual = Usual(codes, city.timezone)
    return Engine(codes, city.parents, kinds(), policy.indicators, policy.domains, usual)
