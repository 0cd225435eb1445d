"""Which numbers a take settles: those of valid, repeated and refused readings, of devices that asked, of this count."""

from collections.abc import Sequence
from typing import Any

import orjson
from ingest_material import NOW, STREET, TOPICS, at, bay, delivery, micros, state

from devices.flaws import Flaw
from devices.topics import Address
from ingest.batch import Decoded, Delivery
from ingest.decoder import Decoder
from ingest.numbering import settled_numbers
from ingest.refusing import refuse
from ingest.registry import Device, Registry


def asking(device_id: str, watermark: Any = True, key: int = 1, **attributes: Any) -> Device:
    return Device(key, device_id, "parking_bay", STREET, attributes={"watermark": watermark, **attributes})


def settled(deliveries: Sequence[Delivery], *devices: Device) -> dict[str, list[tuple[int, int]]]:
    """Ranges by device."""
    registry, decoder = Registry(devices), Decoder(TOPICS)
    decoded = decoder.decode(deliveries, registry)
    return {n.device.id: n.ranges for n in settled_numbers(decoded, registry, decoder.address)}


def test_valid_readings_settle_their_numbers_as_runs() -> None:
    pack = [state("free", -n, seq=n) for n in (5, 1, 2, 3, 9, 3)]
    assert settled([bay(pack)], asking("bay-1")) == {"bay-1": [(1, 3), (5, 5), (9, 9)]}


def test_devices_are_kept_apart_and_who_did_not_ask_is_left_out() -> None:
    two = Device(2, "bay-2", "parking_bay", STREET)
    three = asking("bay-3", key=3)
    take = [bay(state(seq=4), "bay-1"), bay(state(seq=5), "bay-2"), bay(state(seq=5), "bay-3"), bay(state())]
    assert settled(take, asking("bay-1"), two, three) == {"bay-1": [(4, 4)], "bay-3": [(5, 5)]}
    assert settled(take, two) == {}


def test_a_refused_reading_settles_its_number_if_it_can_be_read() -> None:
    take = [
        bay([state("on fire", seq=1), state(seq=2), {"seq": 3}, state("free", 9e9, seq=4)]),
        bay([state(seq="5"), state(seq=-1), state(seq=6.0), 7]),
        bay(b'{"seq": 8'),
        bay({"seq": 9, "dateObserved": "soon", "status": "free"}),
    ]
    assert settled(take, asking("bay-1")) == {"bay-1": [(1, 4), (6, 6), (9, 9)]}


def test_nobody_settles_numbers_of_a_device_it_may_not_speak_for() -> None:
    one, nine = asking("bay-1"), asking("bay-9", key=9, gateway="gw-1")
    pack = [state(device="bay-9", seq=1), state(device="bay-1", seq=2)]
    assert settled([bay(pack, "gw-1")], one, nine) == {"bay-9": [(1, 1)]}
    assert settled([bay(pack, "gw-2")], one, nine) == {}
    elsewhere = delivery(TOPICS.telemetry("bus", "bay-1"), state(seq=3))
    assert settled([elsewhere], one) == {}


def test_a_message_refused_as_a_whole_settles_what_it_names() -> None:
    registry, decoder = Registry([asking("bay-9", key=9, gateway="gw-1")]), Decoder(TOPICS)
    flaw = Flaw("schema", "the database refused the message: for a reason of its own")
    for body, expected in (
        (state(device="bay-9", seq=1), [(1, 1)]),
        ([state(device="bay-9", seq=2)], [(2, 2)]),
        (b" \n" + orjson.dumps([state(device="bay-9", seq=3)]), [(3, 3)]),
        (state(seq=4), []),
    ):
        message = bay(body, "gw-1")
        address = decoder.address(message.topic)
        assert isinstance(address, Address)
        decoded = Decoded(rejections=[refuse(message, address, flaw)])
        assert [r for n in settled_numbers(decoded, registry, decoder.address) for r in n.ranges] == expected


def test_what_was_observed_before_the_count_began_belongs_to_an_older_one() -> None:
    since = {"since": at(-60)}
    take = [
        bay([state("free", -61, seq=1), state("free", -60, seq=2)]),
        bay([state("no", -61, seq=3), state("no", -60, seq=4)]),
    ]
    assert settled(take, asking("bay-1", since)) == {"bay-1": [(2, 2), (4, 4)]}


def test_where_the_clock_is_what_is_wrong_the_time_of_receipt_decides() -> None:
    since = {"since": at(-60)}
    wrong_clock = {"dateObserved": "1970-01-01T00:00:00Z", "status": "free", "seq": 7}
    assert settled([bay(wrong_clock)], asking("bay-1", since)) == {"bay-1": [(7, 7)]}
    spooled_long_ago = bay(wrong_clock, received=micros(NOW) - 3_600_000_000)
    assert settled([spooled_long_ago], asking("bay-1", since)) == {}


def test_a_message_too_large_to_be_read_settles_nothing() -> None:
    assert settled([bay(state(seq=1, note="x" * 1_100_000))], asking("bay-1")) == {}
