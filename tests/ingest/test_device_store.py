"""The registry in SQL: births get keys and keep them, the last word counts, what is asked for is found."""

from collections.abc import Iterator

import numpy as np
import psycopg
import pytest

from ingest.birth import Birth
from ingest.database import connect
from ingest.device_store import find_devices, load_devices, load_past, register, set_status
from ingest.registry import Device, Devices, Registry
from ingest.registry_past import Former, RegistryPast

STREET = "310104003"


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url) as connection:
        connection.autocommit = True
        yield connection


def birth(device: str, **changes: object) -> Birth:
    told = {"kind": "parking_bay", "area": STREET, "lon": None, "lat": None, "name": None, "attributes": {}, **changes}
    return Birth(device, **told)  # type: ignore[arg-type] # a test's shorthand


def told(past: RegistryPast, *devices: Device) -> list[int]:
    """When devices were registered, as far as the past tells."""
    return past.registered.at(np.array([device.key for device in devices], np.int32)).tolist()


def test_births_become_devices_with_keys_of_their_own(connection: psycopg.Connection) -> None:
    attributes = {"measures": ["状态"], "nested": {"a": [1, 2.5, None]}}
    full = birth("b", lon=121.4, lat=31.2, name="Bay ä", attributes=attributes)
    one, other = register(connection, [birth("a"), full])
    assert one.key != other.key
    assert other == Device(other.key, "b", "parking_bay", STREET, 121.4, 31.2, "Bay ä", attributes)
    assert list(load_devices(connection)) == [one, other]


def test_a_later_birth_changes_the_device_and_keeps_its_key(connection: psycopg.Connection) -> None:
    (before,) = register(connection, [birth("a", name="old")])
    (after,) = register(connection, [birth("a", name="new", area="310104004")])
    assert (after.key, after.name, after.area) == (before.key, "new", "310104004")
    assert len(load_devices(connection)) == 1


def test_of_several_births_of_one_device_the_last_counts(connection: psycopg.Connection) -> None:
    (device,) = register(connection, [birth("a", name="first"), birth("a", name="last")])
    assert device.name == "last"


def test_what_a_device_was_is_kept_when_it_changes_what_vital_signs_depend_on(connection: psycopg.Connection) -> None:
    (first,) = register(connection, [birth("a", attributes={"measures": ["status"], "colour": "red"})])
    register(connection, [birth("a", name="another", attributes={"measures": ["status"], "colour": "blue"})])
    set_status(connection, {"a": "online"})
    assert load_past(connection, 0).former == []
    (moved,) = register(connection, [birth("a", area="310104004", attributes={"measures": ["status"]})])
    (retired,) = register(connection, [birth("a", area="310104004", attributes={"retired": True})])
    past = load_past(connection, first.since)
    assert past.former == [
        Former(first.key, moved.since, STREET, {"measures": ["status"]}),
        Former(first.key, retired.since, "310104004", {"measures": ["status"]}),
    ]
    assert load_past(connection, moved.since).former == past.former[1:]
    assert told(load_past(connection, first.since - 1), first) == [first.since]
    assert told(load_past(connection, first.since), first) == [0]
    other = register(connection, [birth("b")])[0]
    assert told(load_past(connection, 0, other.since), first, other) == [first.since, 0]
    assert told(load_past(connection, 0, other.since - 1), first, other) == [first.since, other.since]
    assert [load_devices(connection)[0].since, find_devices(connection, ["a"])[0].since] == [retired.since] * 2


def test_no_births_are_no_work(connection: psycopg.Connection) -> None:
    assert register(connection, []) == []


def test_the_kind_a_device_was_registered_with_stays(connection: psycopg.Connection) -> None:
    register(connection, [birth("a")])
    (device,) = register(connection, [birth("a", kind="bus")])
    assert device.kind == "parking_bay"


def test_only_registered_devices_are_found(connection: psycopg.Connection) -> None:
    one, _ = register(connection, [birth("a"), birth("b")])
    assert find_devices(connection, ["a", "nobody"]) == [one]
    assert find_devices(connection, []) == []


def test_a_status_is_noted_for_devices_that_are_registered(connection: psycopg.Connection) -> None:
    register(connection, [birth("a"), birth("b")])
    set_status(connection, {"a": "online", "nobody": "offline"})
    rows = connection.execute("SELECT id, status FROM devices ORDER BY id").fetchall()
    assert rows == [("a", "online"), ("b", None)]


def test_the_same_status_again_is_no_update(connection: psycopg.Connection) -> None:
    def updated_at() -> object:
        return connection.execute("SELECT updated_at FROM devices").fetchone()

    register(connection, [birth("a")])
    set_status(connection, {"a": "online"})
    first = updated_at()
    set_status(connection, {"a": "online"})
    assert updated_at() == first


def test_the_registry_in_memory_holds_the_last_word_on_a_device() -> None:
    registry = Registry([Device(1, "a", "bus", STREET)])
    registry.update([Device(1, "a", "bus", "310104004", attributes={"gateway": "gw"}), Device(2, "b", "bus", STREET)])
    device = registry.get("a")
    assert device is not None
    assert (device.area, device.gateway, len(registry)) == ("310104004", "gw", 2)
    assert registry.get("c") is None


def test_a_gateway_that_is_no_text_is_none() -> None:
    assert Device(1, "a", "bus", STREET, attributes={"gateway": 7}).gateway is None


def test_a_registry_of_several_pages_is_read_whole(
    connection: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.device_store.PAGE", 3)
    made = register(connection, [birth(f"bay-{n}", name=f"n{n % 2}") for n in range(7)])
    devices = load_devices(connection)
    assert list(devices) == sorted(made, key=lambda device: device.key)
    assert devices.of_kind("parking_bay").tolist() == list(range(7))
    assert devices.of_kind("bus").tolist() == []


def test_devices_in_columns_are_those_that_were_put_in() -> None:
    some = [
        Device(3, "a", "bus", STREET),
        Device(1, "b", "car_park", "310104004", 121.5, 31.25, "name", {"gateway": "gw"}, since=7),
        Device(2, "c", "bus", STREET, None, None, "name", {"gateway": "gw"}),
    ]
    devices = Devices.of(some)
    assert [list(devices), devices[1].since, devices[2].since] == [some, 7, 0]
    changed = Device(1, "b", "car_park", STREET, name="other")
    devices.replace(1, changed)
    assert (devices[1], devices[1].since, devices[1:]) == (changed, 0, [changed, some[2]])
