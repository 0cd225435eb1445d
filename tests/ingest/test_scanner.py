"""The scanner takes what the way by objects takes, reads the same values, and leaves little of what is usual."""

import json
import math
import random
from typing import Any

import numpy as np
import orjson
import pytest
from fuzzing import Mutator
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_material import NOW, TOPICS, at, bay, delivery, fleet, micros, registry, state
from numba import njit

from deploy.bench.load import STAMP
from deploy.bench.readings import packed_readings, registered, single_readings
from devices.contract import Kind, Stream, Telemetry
from devices.kinds import streams
from devices.topics import Topics
from devices.units import Instant, parse_instant
from ingest import kernels
from ingest.batch import MISSING, Batch, Decoded, Delivery
from ingest.decoder import Decoder
from ingest.kernels import instants, tokens
from ingest.layout import layout_of
from ingest.registry import Device, Registry
from ingest.scanner import Heard, scan
from ingest.speakers import Speakers
from tests.ingest.test_columns import STREAMS, rows_of
from tests.ingest.test_fuzz import corpus

MESSAGES = 6_000


def assert_same(scanned: Decoded, plain: Decoded) -> None:
    """Bit for bit, but for what never shows: the payload of NaN."""
    assert scanned.rejections == plain.rejections
    assert scanned.unknown_devices == plain.unknown_devices
    assert scanned.unknown_fields == plain.unknown_fields
    assert [batch.stream for batch in scanned.batches] == [batch.stream for batch in plain.batches]
    for one, other in zip(scanned.batches, plain.batches, strict=True):
        assert one.columns.keys() == other.columns.keys()
        for name, column in all_columns(one).items():
            expected = all_columns(other)[name]
            assert column.dtype == expected.dtype, name
            if name in one.texts:
                assert one.labels(name) == other.labels(name)
                continue
            assert column.tolist() == expected.tolist() or str(column.tolist()) == str(expected.tolist()), name
            if column.dtype.kind == "f":
                np.testing.assert_array_equal(np.signbit(column), np.signbit(expected))


def all_columns(batch: Batch) -> dict[str, Any]:
    own = {name: getattr(batch, name) for name in ("device", "time", "seq", "received", "source", "item")}
    return own | batch.columns


class Pair:
    """The same takes both ways."""

    def __init__(self, topics: Topics = TOPICS) -> None:
        self.scanning, self.plain = Decoder(topics), Decoder(topics, scanning=False)

    def check(self, deliveries: list[Delivery], known: Registry) -> Decoded:
        scanned = self.scanning.decode(deliveries, known)
        assert_same(scanned, self.plain.decode(deliveries, known))
        return scanned


def left(stream: Stream, deliveries: list[Delivery], known: Registry) -> int:
    """How many deliveries of one stream the scanner leaves."""
    speakers = Speakers(TOPICS)
    heard = Heard(stream, [*range(len(deliveries))], [speakers.of(d.topic) for d in deliveries])
    return len(scan(heard, deliveries, known, speakers.spoken, (10**15, 10**15)).left)


def kind_of(stream: Stream) -> Topics:
    return Topics("310000", {"kind": Kind("kind", "", "", stream.model)})


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_a_pack_holds_both_ways_agree(name: str, data: st.DataObject) -> None:
    stream = STREAMS[name]
    rows = data.draw(rows_of(stream))
    topics = TOPICS if name in streams() else kind_of(stream)
    device = Device(1, "d", stream.kind, "310104003")
    topic = topics.stream(stream, "d")
    texts = [json.dumps(row, ensure_ascii=data.draw(st.booleans())) for row in rows]
    packs = [Delivery(topic, f"[{','.join(texts)}]".encode("utf-8", "surrogatepass"), 0)]
    alone = [Delivery(topic, text.encode("utf-8", "surrogatepass"), 0) for text in texts]
    Pair(topics).check(packs + alone, Registry([device]))


def test_whatever_bytes_arrive_both_ways_agree() -> None:
    mutator, pair, known = Mutator(corpus(), seed=11), Pair(), registry()
    for start in range(0, MESSAGES, 50):
        messages = [mutator.draw() for _ in range(50)]
        pair.check([Delivery(topic, payload, micros(NOW), mid=start) for topic, payload in messages], known)


@pytest.mark.parametrize("packed", [False, True])
def test_an_ordinary_fleet_is_read_by_the_scanner_alone(packed: bool) -> None:
    known = Registry(
        Device(key, name, kind, area, attributes=orjson.loads(attributes))
        for key, (name, kind, area, attributes) in enumerate(registered(500, ["310104003"], gateways=packed), start=1)
    )
    made = packed_readings(TOPICS, 500, 4_000, 7) if packed else single_readings(TOPICS, 500, 2_000, 7)
    deliveries = [Delivery(topic, payload, parse_instant(STAMP.decode())) for topic, payload in made]
    decoded = Pair().check(deliveries, known)
    assert not decoded.rejections
    for batch in decoded.batches:
        own = [deliveries[source] for source in np.unique(batch.source).tolist()]
        assert left(batch.stream, own, known) == 0


def test_readings_that_are_left_stand_where_they_came() -> None:
    odd = bay([state("free", 2) | {"note": "a\\b"}, state("occupied", 3)])
    decoded = Pair().check([bay(state("free", 1)), odd, bay(state("closed", 4))], registry())
    assert decoded.batches[0].source.tolist() == [0, 1, 1, 2]
    assert left(streams()["parking_bay"], [odd], registry()) == 1


def test_fields_that_nobody_knows_do_not_keep_a_pack_from_being_scanned() -> None:
    more = {
        "type": "ParkingSpot",
        "location": {"type": "Point", "coordinates": [[1, {"a": []}], 2.5]},
        "tags": ["x", None],
    }
    pack = bay([state("free", 2) | more, state("occupied", 3) | more])
    assert left(streams()["parking_bay"], [pack], registry()) == 0
    assert Pair().check([pack], registry()).unknown_fields == {"parking_bay": 6}


def test_one_bad_reading_leaves_its_pack_and_no_other() -> None:
    bad, good = bay([state(), state("busy", 1)]), bay([state("free", 2)])
    assert left(streams()["parking_bay"], [bad, good, bad], registry()) == 2
    assert len(Pair().check([bad, good, bad], registry()).rejections) == 2


def test_a_device_is_looked_up_once_and_again_after_a_change() -> None:
    known, pair = registry(), Pair()
    pack = delivery(TOPICS.telemetry("parking_bay", "gw-1"), [state() | {"device": "bay-9"}] * 3)
    assert len(pair.check([pack], known).batches[0]) == 3
    assert len(pair.check([pack, pack], known).batches[0]) == 6
    bays = {device.id: device for device in fleet()}
    known.update([Device(bays["bay-9"].key, "bay-9", "parking_bay", "310104003", attributes={"gateway": "gw-2"})])
    decoded = pair.check([pack], known)
    assert not decoded.batches
    assert {rejection.reason for rejection in decoded.rejections} == {"unknown_device"}


def test_many_devices_of_many_speakers_are_told_apart() -> None:
    names = [f"bay-{'x' * (number % 70)}{number}" for number in range(3_000)]
    known = Registry(
        Device(key, name, "parking_bay", "310104003", attributes={"gateway": f"gw-{key % 7}"})
        for key, name in enumerate(names, start=1)
    )
    packs = [
        delivery(
            TOPICS.telemetry("parking_bay", f"gw-{gateway}"),
            [state() | {"device": name} for key, name in enumerate(names, start=1) if key % 7 == gateway],
        )
        for gateway in range(7)
    ]
    pair = Pair()
    for _ in range(3):
        assert sum(map(len, pair.check(packs, known).batches)) == 3_000
    foreign = Delivery(packs[0].topic, packs[1].payload, packs[0].received)
    assert not pair.check([foreign], known).batches


@pytest.mark.parametrize(
    "payload",
    [
        b' \t\r\n[ { "dateObserved" : %t , "status" : "free" } , {"status":"free","dateObserved":%t}\n] ',
        b'{"dateObserved":%t,"status":"busy","status":"free"}',
        b'{"dateObserved":%t,"status":"free","seq":3.0,"seq":null}',
        b'{"dateObserved":%t,"status":"free","seq":3.0,"x":[1],"y":{"a":"}"}}',
        b'{"dateObserved":%t,"status":"free","x":{},"y":[],"z":[[ ] , { } ],"w":{"a":[1,{"b":null}],"c":"[{"} }',
        b'{"dateObserved":%t,"x":{"a":1,},"status":"free"}',
        b'{"dateObserved":%t,"x":[1,],"status":"free"}',
        b'{"dateObserved":%t,"x":[1},"status":"free"}',
        b'{"dateObserved":%t,"x":{"a" 1},"status":"free"}',
        b'{"dateObserved":%t,"x":{1:1},"status":"free"}',
        b'{"dateObserved":%t,"x":{"a":[{"b":[}]},"status":"free"}',
        b'{"dateObserved":%t,"status":"free","x":[[1]',
        b'{"dateObserved":%t,"status":"free","x":' + b"[" * 70 + b"]" * 70 + b"}",
        b'{"dateObserved":%t,"status":"free","a":1,"a":2,"b":-1.5e-7,"c":"\xe5\xbe\x90","d":true,"e":null}',
        b'{"dateObserved":%t,"status":"free","a":"\xff"}',
        b'{"dateObserved":%t,"status":"free","a":"\xed\xa0\x80"}',
        b'{"dateObserved":%t,"status":"free","a":tru}',
        b'{"dateObserved":%t,"status":"free"}x',
        b'{"dateObserved":%t,"status":"free"},',
        b'[{"dateObserved":%t,"status":"free"},]',
        b'[{"dateObserved":%t,"status":"free"}',
        b'[{"dateObserved":%t,"status":"free"}]]',
        b'{"dateObserved":%t,"status":null}',
        b'{"dateObserved":%t,"status":"free","device":null}',
        b'{"dateObserved":%t,"status":"free","device":"bay-2"}',
        b'{"dateObserved":%t,"status":"free","device":""}',
        b'{"dateObserved":%t,"status":"fr\\u0065e"}',
        b'{"dateObserved":%t,"st\\u0061tus":"free"}',
        b'{"dateObserved":%t,"status":"free",}',
        b"{}",
        b"[]",
        b"[[]]",
        b"",
        b"\0",
        b"[\0",
        b'{"dateObserved":%t,"status":"free\0"}',
    ],
)
def test_unusual_texts_come_to_the_same(payload: bytes) -> None:
    text = payload.replace(b"%t", orjson.dumps(at(1)))
    Pair().check([bay(state()), bay(text), bay(text, "bay-2"), bay(state("free", 5))], registry())


@njit
def read_numbers(text, at, values, wholes):  # type: ignore[no-untyped-def]
    for place in range(len(at)):
        end, whole, count, value = tokens.number(text, at[place])
        values[place] = value if end >= 0 else np.nan
        wholes[place] = count if whole else -1


def written_numbers() -> list[str]:
    rng = random.Random(5)
    texts = ["0", "-1", "0.1", "1e22", "1e23", "9007199254740993", "123456789012345678", "0.30000000000000004", "1E-5"]
    for _ in range(4_000):
        texts.append(repr(rng.uniform(-180, 180)))
        texts.append(repr(rng.random() * 10.0 ** rng.randint(-20, 20)))
        texts.append(f"{rng.randint(0, 10**17)}.{rng.randint(0, 9)}")
        texts.append(f"{rng.randint(0, 10 ** rng.randint(1, 18) - 1)}e{rng.randint(-22, 22)}")
        texts.append(f"{rng.random():.{rng.randint(1, 18)}f}")
    return texts


def test_numbers_are_rounded_as_they_must_be_and_few_are_left() -> None:
    texts = written_numbers()
    joined = "\0".join(texts).encode() + bytes(8)
    ends = np.cumsum([len(text) + 1 for text in texts])
    values, wholes = np.empty(len(texts)), np.empty(len(texts), np.int64)
    read_numbers(np.frombuffer(joined, np.uint8), np.array([0, *ends[:-1]], np.int64), values, wholes)
    unknown = 0
    for text, value, whole in zip(texts, values.tolist(), wholes.tolist(), strict=True):
        unknown += math.isnan(value)
        assert math.isnan(value) or value == float(text), text
        assert whole == -1 or whole == int(text), text
    assert unknown < len(texts) * 0.2
    usual = [value for text, value in zip(texts, values.tolist(), strict=True) if text in set(texts[9::5])]
    assert sum(map(math.isnan, usual)) < len(usual) * 0.001


@njit
def read_instant(text, end):  # type: ignore[no-untyped-def]
    return instants.instant(text, 0, end)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
        st.tuples(st.datetimes(), st.from_regex(r"[+-]\d\d:\d\d", fullmatch=True)).map(
            lambda parts: parts[0].isoformat() + parts[1]
        ),
        st.from_regex(
            r"20\d\d-[01]\d-[0-3]\d[Tt ][0-2]\d:[0-6]\d:[0-6]\d(\.\d{1,9})?([Zz]|[+-][0-2]\d:[0-6]\d)", fullmatch=True
        ),
        st.text("0123456789-:.TZ+ ", min_size=18, max_size=32),
    )
)
def test_an_instant_is_read_as_by_its_judge_or_left(text: str) -> None:
    raw = text.encode()
    micros = read_instant(np.frombuffer(raw + bytes(40), np.uint8), len(raw))
    try:
        expected = parse_instant(text)
    except ValueError:
        expected = MISSING
    assert micros in (expected, MISSING)
    if "0003" < text[:4] < "9996":
        assert micros == expected


def test_a_stream_that_only_its_model_can_judge_is_left() -> None:
    assert layout_of(STREAMS["judged"]) is None
    assert layout_of(STREAMS["plain"]) is None, "a label with a pattern"
    assert layout_of(STREAMS["strict"]) is not None
    assert all(layout_of(stream) is not None for stream in streams().values())


def test_a_second_instant_of_a_reading_may_be_missing() -> None:
    class Twice(Telemetry):
        one: Instant | None = None
        other: Instant | None = None

    stream = Stream("kind", "kind", Twice)
    pair = Pair(kind_of(stream))
    body = {"dateObserved": 0, "one": 5}
    decoded = pair.check(
        [Delivery("cv1/310000/kind/d/tele", orjson.dumps(body), 0)], Registry([Device(1, "d", "kind", "3")])
    )
    assert decoded.batches[0].columns["one"].tolist() == [5_000]
    assert decoded.batches[0].columns["other"].tolist() == [MISSING]


def test_compiled_code_is_kept_apart_by_the_files_it_comes_from() -> None:
    for kernel in (kernels.scan, kernels.enter, kernels.intern):
        assert "scan-" in kernel._cache.cache_path
