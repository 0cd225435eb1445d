"""How long work takes."""

import time
from collections.abc import Callable
from typing import Any


def seconds(work: Callable[[], Any]) -> float:
    """Seconds that one run takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def milliseconds(work: Callable[[], Any]) -> Callable[[], float]:
    """A contestant whose figure is its milliseconds."""
    return lambda: 1000 * seconds(work)


def millions(count: int, work: Callable[[], Any]) -> Callable[[], float]:
    """A contestant whose figure is how many millions it does a second; ``count``: of one run."""
    return lambda: count / seconds(work) / 1e6
