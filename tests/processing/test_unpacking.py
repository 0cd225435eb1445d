"""What ``pack`` lays out comes back from ``unpack`` as it went, and from the slow twin."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from processing_material import batch, instant, observed

from devices.kinds import streams
from ingest.labels import say_labels
from ingest.packing import HEADER, TRAILER, pack
from processing.unpacking import Layout, UnpackingError, find_values, texts_of, unpack

NULL = -(2**40)

rows = st.lists(
    st.tuples(st.none() | st.integers(-(2**63), 2**63 - 1), st.none() | st.text(max_size=5), st.none() | st.booleans()),
    max_size=40,
)


def laid_out(table: list[tuple[int | None, str | None, bool | None]]) -> bytes:
    """Binary COPY rows of a bigint, a text and a boolean, value by value."""
    data = b""
    for number, text, flag in table:
        values = [
            None if number is None else struct.pack(">q", number),
            None if text is None else text.encode(),
            None if flag is None else bytes([flag]),
        ]
        data += struct.pack(">h", len(values))
        for value in values:
            data += struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value
    return data


@settings(deadline=None)
@given(rows, st.booleans())
def test_every_value_is_found_where_it_was_put(
    table: list[tuple[int | None, str | None, bool | None]], whole: bool
) -> None:
    data = HEADER + laid_out(table) + TRAILER if whole else laid_out(table)
    numbers, offsets, flags = find_values(data, Layout.of([NULL, None, -1]), len(table))
    codes, texts = texts_of(np.frombuffer(data, np.uint8), offsets)
    assert numbers.tolist() == [NULL if number is None else number for number, _, _ in table]
    assert say_labels(codes, texts) == [text for _, text, _ in table]
    assert flags.tolist() == [-1 if flag is None else int(flag) for _, _, flag in table]
    assert len(texts) == len({text for _, text, _ in table} - {None})


def test_a_batch_comes_back_as_it_went() -> None:
    readings = {
        "bus": [
            (1, observed(-1, speed=0.1, route="71路", position={"type": "Point", "coordinates": [121.1, 31.2]})),
            (2, observed(-3.000001, trip="t", seq=7)),
            (3, observed(-2, route="71路")),
        ],
        "bus_arrival": [
            (1, observed(-9, route="r", trip="u", stop="s", scheduledAt=instant(-5), arrivedAt=instant(-4))),
            (2, observed(-8, route="r", trip="t", stop="s", scheduledAt=instant(-5), arrivedAt=instant(-4),
                         predictedAt=instant(0))),
        ],
        "garbage_hut": [(1, observed(-1, seepageDetected=True)), (2, observed(-1, nh3=1e-3)),
                        (3, observed(-1, seepageDetected=False))],
        "parking_bay": [(n, observed(-n, status=s)) for n, s in enumerate(["free", "closed", "free", "unknown"])],
        "car_park": [(1, observed(-1, totalSpotNumber=7)), (2, observed(-1, occupiedSpotNumber=0))],
    }  # fmt: skip
    for stream, values in readings.items():
        went = batch(stream, values)
        blocks = list(pack(went))
        parts = [unpack(streams()[stream], block, block_rows(block)) for block in blocks[1:-1]]
        times = {(int(k), int(t)): i for i, (k, t) in enumerate(zip(went.device, went.time, strict=True))}
        for part in parts:
            places = [times[int(k), int(t)] for k, t in zip(part.device, part.time, strict=True)]
            expected = went.take(np.array(places))
            for name, column in {**expected.columns, "seq": expected.seq, "received": expected.received}.items():
                came = {**part.columns, "seq": part.seq, "received": part.received}[name]
                assert came.dtype == column.dtype
                said = (part.labels(name), expected.labels(name)) if name in part.texts else (came, column)
                assert list(map(str, said[0])) == list(map(str, said[1]))
        assert sum(map(len, parts)) == len(went)


def block_rows(block: bytes) -> int:
    """Rows of a block, counted one by one."""
    count, place = 0, 0
    while place < len(block):
        (fields,) = struct.unpack_from(">h", block, place)
        place += 2
        for _ in range(fields):
            (width,) = struct.unpack_from(">i", block, place)
            place += 4 + max(width, 0)
        count += 1
    return count


@pytest.mark.parametrize("data", [b"", laid_out([(1, "a", True)])[:-9], struct.pack(">hi", 1, -1)])
def test_other_bytes_than_asked_for_are_refused(data: bytes) -> None:
    with pytest.raises(UnpackingError, match="must be 1"):
        find_values(data, Layout.of([0, None, 0]), 1)
