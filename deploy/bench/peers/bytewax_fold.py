"""Peer: bytewax, the fold as a stream; every reading on its own goes through windows of event time.

It runs in the benchmark's process with one worker, from readings that are Python objects already.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

Reading = tuple[int, datetime, float]
"""device, dateObserved, value"""
_START = datetime(2026, 1, 1, tzinfo=UTC)


def readings(device: Sequence[int], micros: Sequence[int], value: Sequence[float]) -> list[Reading]:
    """Readings as bytewax takes them."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    times = (epoch + timedelta(microseconds=instant) for instant in micros)
    return list(zip(device, times, value, strict=True))


def fold(arrived: list[Reading], area: Sequence[int], pane_seconds: int) -> Callable[[], float]:
    """A run over all readings: count and sum by area and pane; it returns the sum of the sums."""
    import bytewax.operators as op
    from bytewax.dataflow import Dataflow
    from bytewax.operators import windowing
    from bytewax.testing import TestingSink, TestingSource, run_main

    areas = [str(label) for label in area]
    clock = windowing.EventClock(lambda reading: reading[1], wait_for_system_duration=timedelta(minutes=20))
    windower = windowing.TumblingWindower(length=timedelta(seconds=pane_seconds), align_to=_START)

    def add(total: tuple[int, float], reading: Reading) -> tuple[int, float]:
        return total[0] + 1, total[1] + reading[2]

    def merge(one: tuple[int, float], other: tuple[int, float]) -> tuple[int, float]:
        return one[0] + other[0], one[1] + other[1]

    def run() -> float:
        panes: list[Any] = []
        flow = Dataflow("fold")
        stream = op.input("arrived", flow, TestingSource(arrived, batch_size=1_000))
        keyed = op.key_on("area", stream, lambda reading: areas[reading[0]])
        window = windowing.fold_window("panes", keyed, clock, windower, lambda: (0, 0.0), add, merge)
        op.output("out", window.down, TestingSink(panes))
        run_main(flow)
        return float(sum(total for _, (_, (_, total)) in panes))

    return run
