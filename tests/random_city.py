"""A small city in which every kind lives, at random and each time differently: some devices and kinds are silent."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from processing_material import FIRST, NOW, SECOND_STREET, THIRD, batch, device, observed

from ingest.batch import Batch

STREETS = (FIRST, SECOND_STREET, THIRD)
KINDS = {"parking_bay": 12, "garbage_hut": 9, "car_park": 6, "energy_meter": 9, "bus": 6}
DEVICES = [
    device(1 + sum(list(KINDS.values())[:place]) + n, kind, STREETS[n % 3])
    for place, (kind, count) in enumerate(KINDS.items())
    for n in range(count)
]
KEYS = {kind: [d.key for d in DEVICES if d.kind == kind] for kind in KINDS}


def living(rng: np.random.Generator, until: float) -> Iterator[Batch]:
    """Ten minutes of readings up to some seconds from NOW, and an hour of arrivals."""
    silent = {kind for kind in KINDS if rng.random() < 0.15}
    lively = {key for kind, keys in KINDS.items() for key in KEYS[kind] if rng.random() < rng.choice([0.6, 1.0])}
    wild = rng.random()
    rows: dict[str, list[tuple[int, dict[str, Any]]]] = {kind: [] for kind in KINDS}
    for kind, keys in KEYS.items():
        for key in keys:
            for back in (400.0, 5.0):
                if kind in silent or key not in lively:
                    continue
                rows[kind].append((key, observed(until - back - float(rng.random()), **said(rng, kind, wild))))
    arrivals = []
    for n in range(int(rng.integers(0, 40))):
        at = until - float(rng.uniform(0, 3000))
        late = float(rng.normal(60, 240 * wild))
        arrived = round(NOW / 1000 + at * 1000)
        arrivals.append(
            (
                KEYS["bus"][n % 6],
                {
                    "dateObserved": arrived,
                    "route": f"r{n % 2}",
                    "stop": f"s{n % 3}",
                    "trip": f"t{n}",
                    "scheduledAt": round(arrived - late * 1000),
                    "arrivedAt": arrived,
                },
            )
        )
    for stream, members in [*rows.items(), ("bus_arrival", arrivals)]:
        if members:
            yield batch(stream, members)


def said(rng: np.random.Generator, kind: str, wild: float) -> dict[str, Any]:
    match kind:
        case "parking_bay":
            return {"status": ["free", "occupied"][int(rng.random() < wild)]}
        case "garbage_hut":
            return {"fillingLevelFood": float(rng.random() ** (2 * wild)), "nh3": float(3 * wild * rng.random())}
        case "car_park":
            return {"totalSpotNumber": 100, "occupiedSpotNumber": int(100 * wild * rng.random())}
        case "energy_meter":
            power = float(5 + 20 * rng.random())
            factor = float(1 - 0.3 * rng.random() * wild)
            return {"totalActivePower": power, "powerFactor": factor, "adjustablePower": power * 0.1 * wild}
        case _:
            return {"position": {"type": "Point", "coordinates": [121.1, 31.05]}, "speed": float(40 * rng.random())}
