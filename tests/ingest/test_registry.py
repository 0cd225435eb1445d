"""Devices by column are those that were put in, however they were put in."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest.registry import Device, Devices, Registry
from ingest.registry_past import Instants

ATTRIBUTES: list[dict[str, object]] = [{}, {"gateway": "gw"}, {"measures": ["nh3"]}, {"watermark": True}]
PLACES = st.sampled_from([None, -121.5, 0.0, 31.25])


@st.composite
def fleets(draw: st.DrawFn) -> list[Device]:
    ids = draw(st.lists(st.text(max_size=4), unique=True, max_size=12))
    return [
        Device(
            draw(st.integers(1, 20)) * 100 + number,
            one,
            draw(st.sampled_from(["bus", "car_park", "garbage_hut"])),
            draw(st.sampled_from(["310104003", "310104004", "990101001"])),
            draw(PLACES),
            draw(PLACES),
            draw(st.sampled_from([None, "name", "路"])),
            draw(st.sampled_from(ATTRIBUTES)),
            draw(st.sampled_from([0, 7, 10**15])),
        )
        for number, one in enumerate(ids)
    ]


def whole(devices: Sequence[Device]) -> list[tuple[Device, int]]:
    """Devices and their ``since``, which is left out where they are compared."""
    return [(device, device.since) for device in devices]


@given(fleets(), fleets())
def test_devices_in_columns_come_back_one_by_one_together_and_from_other_columns(
    some: list[Device], more: list[Device]
) -> None:
    together, singly, copied = Devices.of(some), Devices(), Devices.of(some)
    together.extend(Devices.of(more).rows())
    for device in [*some, *more]:
        singly.append(device)
    copied.extend(singly.rows())
    assert whole(together) == whole(singly) == whole([*some, *more])
    assert whole(copied) == whole([*some, *some, *more])


@given(fleets(), st.sets(st.integers(0, 2500)))
def test_columns_say_what_the_devices_say(some: list[Device], keys: set[int]) -> None:
    devices = Devices.of(some)
    assert devices.keys.tolist() == [device.key for device in some]
    assert devices.since.tolist() == [device.since for device in some]
    buses = devices.of_kind("bus")
    assert buses.tolist() == [place for place, device in enumerate(some) if device.kind == "bus"]
    assert devices.of_kind("tram").tolist() == []
    assert devices.by_area(int, buses).tolist() == [int(device.area) for device in some if device.kind == "bus"]
    assert devices.by_attributes(len).tolist() == [len(device.attributes) for device in some]
    asked = {device.key for device in some[::2]} | keys
    assert devices.among(asked) == {device.key: device for device in some if device.key in asked}


@given(fleets())
def test_a_registry_that_is_loaded_is_one_that_was_told(some: list[Device]) -> None:
    told, loaded = Registry(some), Registry()
    loaded.load(Devices.of(some[:5]))
    loaded.load(Devices.of(some[5:]))
    assert [loaded.get(device.id) for device in some] == some
    assert (len(loaded), loaded.changes) == (len(told), told.changes)
    assert (loaded.askers, loaded.asking_anew) == (told.askers, told.asking_anew)


@given(st.dictionaries(st.integers(1, 50), st.integers(1, 2**60)), st.lists(st.integers(0, 60)))
def test_instants_are_those_of_a_dict(known: dict[int, int], asked: list[int]) -> None:
    instants = Instants.of(known)
    assert instants.at(np.array(asked, np.int32)).tolist() == [known.get(key, 0) for key in asked]
    assert [instants.get(key) for key in asked] == [known.get(key, 0) for key in asked]
    assert len(instants) == len(known)
