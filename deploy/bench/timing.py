"""How long work takes."""

import time
from collections.abc import Callable
from typing import Any

RUNS = 3


def seconds(work: Callable[[], Any]) -> float:
    """Seconds that one run takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def fastest(work: Callable[[], Any]) -> float:
    """Seconds of the fastest of a few runs in a row: one of ten milliseconds is easily cut in two by something else."""
    return min(seconds(work) for _ in range(RUNS))


def milliseconds(work: Callable[[], Any]) -> Callable[[], float]:
    """A contestant whose figure is its milliseconds."""
    return lambda: 1000 * seconds(work)


def millions(count: int, work: Callable[[], Any]) -> Callable[[], float]:
    """A contestant whose figure is how many millions it does a second, in the fastest run; ``count``: of one run."""
    return lambda: count / fastest(work) / 1e6
