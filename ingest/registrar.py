"""Take births and statuses: check them against the rules of registration and keep the registry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from devices.contract import Flaw, shown
from devices.topics import Address
from ingest.batch import Delivery, Rejection
from ingest.birth import Birth, read_birth, read_status
from ingest.database_link import DatabaseLink
from ingest.device_store import find_devices, register, registered_since, set_status
from ingest.refusing import refuse
from ingest.registry import Device, Registry

Read = Callable[[str], Address | Flaw | None]


@dataclass
class Registration:
    """What the births and statuses of a take led to."""

    devices: list[Device] = field(default_factory=list)
    """new to this process, or changed"""
    rejections: list[Rejection] = field(default_factory=list)
    done: list[Delivery] = field(default_factory=list)
    """births and statuses that were not refused"""


@dataclass(frozen=True)
class _Said:
    """A birth and the delivery it came in."""

    delivery: Delivery
    address: Address
    birth: Birth


class Registrar:
    """Owns the writing of the registry, in memory and in the database."""

    def __init__(
        self, link: DatabaseLink, registry: Registry, areas: frozenset[str], registration: Literal["open", "closed"]
    ) -> None:
        self._link = link
        self._registry = registry
        self._areas = areas
        self._open = registration == "open"

    def register(self, deliveries: Sequence[Delivery], read: Read) -> Registration:
        """Carry out what the deliveries on ``meta`` and ``status`` say; ``read`` parses topics."""
        outcome = Registration()
        births: list[_Said] = []
        statuses: dict[str, str] = {}
        for delivery in deliveries:
            address = read(delivery.topic)
            if not isinstance(address, Address) or address.channel not in ("meta", "status"):
                continue
            if not delivery.payload:
                continue  # only clears what the broker retains
            said = (
                read_birth(address, delivery.payload, self._areas)
                if address.channel == "meta"
                else read_status(delivery.payload)
            )
            if isinstance(said, Flaw):
                outcome.rejections.append(refuse(delivery, address, said))
            elif isinstance(said, Birth):
                births.append(_Said(delivery, address, said))
            else:
                statuses[address.device] = said
                outcome.done.append(delivery)
        self._register_births(births, outcome)
        if statuses:
            self._link.do(lambda connection: set_status(connection, statuses))
        return outcome

    def look_up(self, ids: Sequence[str]) -> list[Device]:
        """Read devices from the database into the registry; returns those found."""
        if not ids:
            return []
        found = self._link.do(lambda connection: find_devices(connection, ids))
        self._registry.update(found)
        return found

    def _register_births(self, births: Sequence[_Said], outcome: Registration) -> None:
        outcome.devices += self.look_up([s.birth.id for s in births if self._registry.get(s.birth.id) is None])
        superseded = self._superseded([said for said in births if said.delivery.reject_id is not None])
        accepted: dict[str, Birth] = {}
        for said in births:
            flaw = self._flaw(said.birth, accepted)
            if flaw is not None:
                outcome.rejections.append(refuse(said.delivery, said.address, flaw))
                continue
            outcome.done.append(said.delivery)
            if said.delivery.reject_id in superseded:
                continue
            if said.birth.id in accepted or said.birth.changes(self._registry.get(said.birth.id)):
                accepted[said.birth.id] = said.birth
        if accepted:
            devices = self._link.do(lambda connection: register(connection, accepted.values()))
            self._registry.update(devices)
            outcome.devices += devices

    def _superseded(self, replayed: Sequence[_Said]) -> set[int | None]:
        """Rejects put through again whose birth is older than what the registry says by now: they change nothing."""
        if not replayed:
            return set()
        received = {said.birth.id: said.delivery.received for said in replayed}
        newer = self._link.do(lambda connection: registered_since(connection, received))
        return {said.delivery.reject_id for said in replayed if said.birth.id in newer}

    def _flaw(self, birth: Birth, accepted: dict[str, Birth]) -> Flaw | None:
        known = self._registry.get(birth.id) or accepted.get(birth.id)
        if known is not None and known.kind != birth.kind:
            return Flaw("conflict", f"kind is {shown(birth.kind)}, must be {shown(known.kind)} as registered")
        if known is None and not self._open:
            return Flaw(
                "unknown_device",
                f"device is {shown(birth.id)}, must be registered by POST /v1/devices: registration is closed",
            )
        return None
