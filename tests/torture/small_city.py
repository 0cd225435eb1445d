"""The small city of a run: its areas, the devices that stand in it, and their topics; pure."""

from dataclasses import dataclass

CITY = "990000"
STREETS = ("990101001", "990101002", "990102001")
TELLING = {
    "parking_bay": "status",
    "energy_meter": "total_active_power",
    "bus": "speed",
    "bus_arrival": "stop",
    "car_park": "occupied_spot_number",
    "garbage_hut": "cargo_weight_residual",
    "garbage_hut_illegal_dumping": "violation",
}
"""the column of each stream whose value is compared"""
SWAPPED = "closed"
"""status of a conflicting reading: no good one says so"""
DAY = 86_400.0


@dataclass
class Device:
    """One device and what it said last."""

    id: str
    kind: str
    street: str
    numbered: bool
    gateway: str | None = None
    seq: int = 0
    last: int = 0
    """µs since 1970"""

    @property
    def speaker(self) -> str:
        """The device in the topic."""
        return self.gateway or self.id


def topic_of(kind: str, device: str, channel: str) -> str:
    return f"cv1/{CITY}/{kind}/{device}/{channel}"


def telemetry(device: Device) -> str:
    return topic_of(device.kind, device.id, "tele")
