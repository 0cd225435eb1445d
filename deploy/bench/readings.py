"""The city that benchmarks send: devices of all kinds, their readings as payloads, singly or in gateways' packs. Pure;
the same numbers give the same bytes."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from deploy.bench.load import STAMP
from devices.kinds import kinds
from devices.topics import Topics

PACK = 100
_STATUS = ("free", "occupied")


def device_id(number: int) -> str:
    """Devices are numbered through; their kinds take turns."""
    return f"{list(kinds())[number % len(kinds())]}-{number // len(kinds())}"


def kind_of(number: int) -> str:
    return list(kinds())[number % len(kinds())]


def gateway_of(number: int) -> str:
    """The gateway that speaks for a device in packs: one for each PACK devices of a kind."""
    return f"gateway-{kind_of(number)}-{number // len(kinds()) // PACK}"


def single_readings(topics: Topics, devices: int, count: int, first_seq: int) -> Iterator[tuple[str, bytes]]:
    """``count`` messages of one reading each; the devices take turns."""
    randomness = random.Random(first_seq)
    for place in range(count):
        number = place % devices
        kind = kind_of(number)
        body = reading(kind, first_seq + place // devices, randomness)
        yield topics.telemetry(kind, device_id(number)), orjson.dumps(body)


def packed_readings(
    topics: Topics, devices: int, count: int, first_seq: int, *, kind: str | None = None
) -> Iterator[tuple[str, bytes]]:
    """``count`` readings in packs of PACK, each with readings of PACK devices of one gateway; of all kinds or of one.

    ``devices`` must be a multiple of PACK times the number of kinds.
    """
    randomness = random.Random(first_seq)
    names = list(kinds()) if kind is None else [kind]
    gateways = devices // PACK
    for pack in range(count // PACK):
        kind, group = names[pack % len(names)], pack // len(names) % (gateways // len(names))
        seq = first_seq + pack // gateways
        bodies = []
        for member in range(PACK):
            body = {"device": f"{kind}-{group * PACK + member}"} | reading(kind, seq, randomness)
            bodies.append(body)
        yield topics.telemetry(kind, f"gateway-{kind}-{group}"), orjson.dumps(bodies)


def reading(kind: str, seq: int, randomness: random.Random) -> dict[str, Any]:
    """What a device of this kind typically sends."""
    some = randomness.random
    body: dict[str, Any] = {"dateObserved": STAMP.decode(), "seq": seq}
    match kind:
        case "parking_bay":
            body["status"] = _STATUS[some() < 0.7]
        case "car_park":
            body |= {"totalSpotNumber": 400, "occupiedSpotNumber": int(400 * some())}
        case "bus":
            place = [round(121.2 + some() / 2, 5), round(31.0 + some() / 2, 5)]
            body |= {
                "position": {"type": "Point", "coordinates": place},
                "speed": round(60 * some(), 1),
                "route": str(int(200 * some())),
                "trip": f"t{int(10_000 * some())}",
            }
        case "energy_meter":
            body |= {
                "totalActivePower": round(80 * some(), 2),
                "totalActiveEnergyImport": round(9_000 + seq / 100 + some(), 2),
                "powerFactor": round(0.85 + 0.15 * some(), 3),
                "adjustablePower": round(5 * some(), 2),
            }
        case "garbage_hut":
            body |= {
                "fillingLevelResidual": round(some(), 3),
                "fillingLevelFood": round(some(), 3),
                "fillingLevelRecyclable": round(some(), 3),
                "nh3": round(some(), 3),
                "h2s": round(some() / 20, 4),
                "temperature": round(15 + 15 * some(), 1),
                "seepageDetected": some() < 0.02,
            }
        case _:
            raise ValueError(f"kind is {kind!r}, must be one of {', '.join(kinds())}")
    return body


def registered(
    devices: int, streets: Sequence[str], *, gateways: bool, only: str | None = None
) -> Iterator[tuple[str, str, str, str]]:
    """Id, kind, area and attributes (JSON) of every device; ``devices`` of all kinds, or of ``only`` one."""
    if only is not None:
        for number in range(devices):
            attributes = {"gateway": f"gateway-{only}-{number // PACK}"} if gateways else {}
            yield f"{only}-{number}", only, streets[number % len(streets)], orjson.dumps(attributes).decode()
        return
    for number in range(devices):
        attributes = {"gateway": gateway_of(number)} if gateways else {}
        yield device_id(number), kind_of(number), streets[number % len(streets)], orjson.dumps(attributes).decode()
