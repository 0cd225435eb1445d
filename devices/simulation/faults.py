"""What can go wrong between a sensor and the broker, laid over a clean stream of readings. Pure and seeded."""

import heapq
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from devices.simulation.fleet import Emission
from devices.units import format_instant, parse_instant


@dataclass(frozen=True)
class FaultRates:
    """How often each fault strikes a reading (probability), and how hard (seconds).

    ``skewed`` is the share of devices whose clock is wrong, by up to ``skew_s`` either way.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    delay_s: float = 30.0
    reorder: float = 0.0
    reorder_s: float = 2.0
    garbage: float = 0.0
    skewed: float = 0.0
    skew_s: float = 120.0


@dataclass(frozen=True, order=True)
class Outgoing:
    """An encoded reading, ready to be published."""

    stream: str
    device: str
    payload: bytes


class Faults:
    """Passes readings on, some of them late, twice, out of order, damaged, with a wrong clock, or not at all."""

    def __init__(self, rates: FaultRates, seed: int) -> None:
        self._rates = rates
        self._seed = seed
        self._rng = random.Random(f"faults {seed}")
        self._held: list[tuple[int, int, Outgoing]] = []
        self._count = 0
        self._skews: dict[str, int] = {}

    def passed(self, now: int, emissions: Iterable[Emission]) -> Iterator[Outgoing]:
        """What goes out at ``now`` (µs since 1970): fresh readings, then held-back ones whose time has come."""
        for emission in emissions:
            if self._strikes(self._rates.drop):
                continue
            outgoing = Outgoing(emission.stream, emission.device, self._payload(emission))
            if self._strikes(self._rates.duplicate):
                self._hold(outgoing, now, self._rates.reorder_s)
            if self._strikes(self._rates.delay):
                self._hold(outgoing, now, self._rates.delay_s)
            elif self._strikes(self._rates.reorder):
                self._hold(outgoing, now, self._rates.reorder_s)
            else:
                yield outgoing
        while self._held and self._held[0][0] <= now:
            yield heapq.heappop(self._held)[2]

    def _strikes(self, probability: float) -> bool:
        return probability > 0 and self._rng.random() < probability

    def _hold(self, outgoing: Outgoing, now: int, seconds: float) -> None:
        self._count += 1
        heapq.heappush(self._held, (now + round(self._rng.random() * seconds * 1e6), self._count, outgoing))

    def _payload(self, emission: Emission) -> bytes:
        reading = self._skewed(emission)
        payload = orjson.dumps(reading)
        return self._damaged(payload) if self._strikes(self._rates.garbage) else payload

    def _skewed(self, emission: Emission) -> dict[str, Any]:
        if self._rates.skewed <= 0:
            return emission.reading
        skew = self._skews.get(emission.device)
        if skew is None:
            own = random.Random(f"skew {self._seed} {emission.device}")
            wrong = own.random() < self._rates.skewed
            skew = round(own.uniform(-1, 1) * self._rates.skew_s * 1e6) if wrong else 0
            self._skews[emission.device] = skew
        if skew == 0:
            return emission.reading
        observed = parse_instant(emission.reading["dateObserved"]) + skew
        return {**emission.reading, "dateObserved": format_instant(observed)}

    def _damaged(self, payload: bytes) -> bytes:
        """Cut off, with flipped bytes, or something else altogether."""
        rng = self._rng
        match rng.randrange(3):
            case 0:
                return payload[: rng.randrange(len(payload))]
            case 1:
                damaged = bytearray(payload)
                for _ in range(rng.randint(1, 4)):
                    damaged[rng.randrange(len(damaged))] = rng.randrange(256)
                return bytes(damaged)
            case _:
                return rng.randbytes(rng.randint(1, 60))
