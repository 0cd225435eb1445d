"""The registry in memory: which device has which key, kind, place and gateway.

Pure; ``device_store`` keeps it in SQL.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ingest.watermark import Asked, read_asked


@dataclass(frozen=True, slots=True)
class Device:
    """One registered device."""

    key: int
    id: str
    kind: str
    area: str
    lon: float | None = None
    lat: float | None = None
    name: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gateway(self) -> str | None:
        """The gateway that may speak for this device in its packs."""
        gateway = self.attributes.get("gateway")
        return gateway if isinstance(gateway, str) else None


class Registry:
    """Devices by id. Not thread-safe: ingest's loop owns it."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self._by_id: dict[str, Device] = {}
        self.changes = 0
        """how often devices were added or changed: what was derived from the registry before may be outdated"""
        self.askers: dict[int, tuple[Device, Asked]] = {}
        """devices that want to be told their watermark, by key"""
        self.asking_anew: dict[int, Device] = {}
        """devices whose asking is new, changed or over, by key; emptied by whoever answers them"""
        self.update(devices)

    def __len__(self) -> int:
        return len(self._by_id)

    def update(self, devices: Iterable[Device]) -> None:
        for device in devices:
            self.changes += 1
            self._by_id[device.id] = device
            if "watermark" in device.attributes or device.key in self.askers:
                self._note_asking(device)

    def _note_asking(self, device: Device) -> None:
        try:
            asked = read_asked(device.attributes)
        except ValueError:
            asked = None  # registered before anybody checked
        known = self.askers.pop(device.key, None)
        if asked is not None:
            self.askers[device.key] = device, asked
        if (known and known[1]) != asked:
            self.asking_anew[device.key] = device

    def get(self, device_id: str) -> Device | None:
        return self._by_id.get(device_id)
