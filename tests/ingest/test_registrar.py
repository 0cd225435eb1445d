"""The rules of registration, on a real database."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from ingest_material import STREET, TOPICS, delivery

from ingest.batch import Delivery
from ingest.database_link import DatabaseLink
from ingest.decoder import Decoder
from ingest.registrar import Registrar, Registration
from ingest.registry import Registry


@pytest.fixture
def link(database_url: str) -> Iterator[DatabaseLink]:
    link = DatabaseLink(database_url)
    yield link
    link.close()


class Office:
    """A registrar with a registry of its own."""

    def __init__(self, link: DatabaseLink, registration: Literal["open", "closed"] = "open") -> None:
        self.registry = Registry()
        self.registrar = Registrar(link, self.registry, frozenset({STREET}), registration)

    def register(self, *deliveries: Delivery) -> Registration:
        return self.registrar.register(deliveries, Decoder(TOPICS).address)


def birth(device: str, kind: str = "parking_bay", **more: Any) -> Delivery:
    return delivery(TOPICS.meta(kind, device), {"area": STREET, **more})


def test_a_first_birth_registers_and_the_same_again_changes_nothing(link: DatabaseLink) -> None:
    office = Office(link)
    first = office.register(birth("a"))
    assert [device.id for device in first.devices] == ["a"]
    assert office.registry.get("a") == first.devices[0]
    again = office.register(birth("a"))
    assert (again.devices, again.rejections, len(again.done)) == ([], [], 1)


def test_a_changed_birth_changes_the_device_also_when_it_changes_back_in_one_take(link: DatabaseLink) -> None:
    office = Office(link)
    office.register(birth("a", name="old"))
    outcome = office.register(birth("a", name="new"), birth("a", name="old"))
    assert [device.name for device in outcome.devices] == ["old"]
    office.register(birth("a", name="new"))
    device = office.registry.get("a")
    assert device is not None
    assert device.name == "new"


def test_two_kinds_cannot_share_an_id_not_even_in_one_take(link: DatabaseLink) -> None:
    office = Office(link)
    outcome = office.register(birth("a"), birth("a", kind="bus"))
    assert [device.kind for device in outcome.devices] == ["parking_bay"]
    (rejection,) = outcome.rejections
    assert (rejection.reason, rejection.stream, rejection.device) == ("conflict", "meta", "a")
    assert rejection.detail == 'kind is "bus", must be "parking_bay" as registered'


def test_what_another_process_registered_is_found_and_told(link: DatabaseLink) -> None:
    Office(link).register(birth("a"))
    office = Office(link, "closed")
    outcome = office.register(birth("a"))
    assert [device.id for device in outcome.devices] == ["a"]
    assert outcome.rejections == []


def test_a_closed_registry_refuses_unknown_devices_and_takes_changes_of_known_ones(link: DatabaseLink) -> None:
    Office(link).register(birth("a"))
    outcome = Office(link, "closed").register(birth("a", name="new"), birth("b"))
    assert [device.name for device in outcome.devices if device.id == "a"][-1] == "new"
    (rejection,) = outcome.rejections
    assert rejection.reason == "unknown_device"
    assert rejection.detail == 'device is "b", must be registered by POST /v1/devices: registration is closed'


def test_flawed_births_and_statuses_are_refused_and_empty_ones_only_clear(link: DatabaseLink) -> None:
    outcome = Office(link).register(
        delivery(TOPICS.meta("parking_bay", "a"), {"area": "nowhere"}),
        delivery(TOPICS.status("parking_bay", "a"), b"sleeping"),
        delivery(TOPICS.meta("parking_bay", "a"), b""),
        delivery(TOPICS.status("parking_bay", "a"), b""),
    )
    assert [(r.stream, r.reason) for r in outcome.rejections] == [("meta", "schema"), ("status", "schema")]
    assert (outcome.devices, outcome.done) == ([], [])


def test_a_birth_put_through_again_does_not_undo_what_was_registered_since(link: DatabaseLink) -> None:
    office = Office(link)
    office.register(birth("a", name="new"))
    outcome = office.register(birth("a", name="old")._replace(reject_id=7), birth("b")._replace(reject_id=8))
    assert [d.reject_id for d in outcome.done] == [7, 8]
    assert [device.id for device in outcome.devices] == ["b"]
    device = office.registry.get("a")
    assert device is not None
    assert device.name == "new"
