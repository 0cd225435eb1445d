"""The spool on a real disk: order, durability, damage, quota."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.batch import Delivery
from ingest.spool import Position, Spool, SpoolFullError
from ingest.spool_records import Damage, decode, encode

DOUBT = 4711


def deliveries(*numbers: int) -> list[Delivery]:
    return [Delivery(topic=f"t/{n}", payload=f"payload {n}".encode(), received=n) for n in numbers]


def read_all(spool: Spool) -> list[int]:
    found, position = [], Position()
    while True:
        records, behind = spool.read(position, 3)
        if behind == position:
            return found
        found += [record.delivery.received for record in records]
        position = behind


@given(
    topic=st.text(max_size=50),
    payload=st.binary(max_size=200),
    received=st.integers(-(2**62), 2**62),
    response=st.none() | st.text(max_size=20),
    correlation=st.none() | st.binary(max_size=20),
    mid=st.integers(0, 65_535),
    flags=st.tuples(st.booleans(), st.booleans()),
)
def test_a_record_reads_back_as_it_was(
    topic: str,
    payload: bytes,
    received: int,
    response: str | None,
    correlation: bytes | None,
    mid: int,
    flags: tuple[bool, bool],
) -> None:
    topic, response = (t.encode("utf-8", "ignore").decode() if t is not None else None for t in (topic, response))
    message = Delivery(topic or "", payload, received, mid, 0, 0, *flags, response, correlation)
    records, damage, end = decode(encode(DOUBT, message), 0, 10)
    assert [r.delivery for r in records] == [message]
    assert records[0].in_doubt == DOUBT
    assert not damage
    assert end == len(encode(DOUBT, message))


@given(data=st.data())
def test_a_flipped_byte_costs_only_the_record_it_is_in(data: st.DataObject) -> None:
    encoded = [encode(DOUBT, message) for message in deliveries(1, 2, 3, 4, 5)]
    log = bytearray(b"".join(encoded))
    position = data.draw(st.integers(0, len(log) - 1))
    log[position] ^= data.draw(st.integers(1, 255))
    hit = next(i for i in range(5) if position < sum(map(len, encoded[: i + 1])))
    records, damage, _ = decode(bytes(log), 0, 10)
    assert [r.delivery.received for r in records] == [n for n in (1, 2, 3, 4, 5) if n != hit + 1]
    start = sum(map(len, encoded[:hit]))
    assert damage == [Damage(start, start + len(encoded[hit]))]


def test_what_was_appended_is_read_in_order_over_segments_and_restarts(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=200)
    for start in range(0, 30, 3):
        spool.append(deliveries(start, start + 1, start + 2))
    spool.close()
    assert len(list(tmp_path.glob("*.log"))) > 1
    assert read_all(Spool(tmp_path, segment_bytes=200)) == list(range(30))


def test_forgetting_deletes_what_was_moved_and_keeps_the_rest(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=100)
    for number in range(6):
        spool.append(deliveries(number))
    records, behind = spool.read(Position(), 4)
    spool.forget(behind)
    remaining, position = [], behind
    while True:
        more, after = spool.read(position, 10)
        if after == position:
            break
        remaining += [r.delivery.received for r in more]
        position = after
    assert [r.delivery.received for r in records] + remaining == list(range(6))
    spool.forget(position)
    assert spool.stored_bytes == 0
    spool.append(deliveries(7))
    assert [r.delivery.received for r in spool.read(position, 10)[0]] == [7]


def test_a_log_that_starts_anew_has_another_id(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(deliveries(1))
    _, behind = spool.read(Position(), 10)
    first = spool.id
    assert Spool(tmp_path).id == first
    spool.forget(behind)
    assert Spool(tmp_path).id != first


def test_half_a_record_at_the_end_is_cut_off_and_quarantined(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(deliveries(1, 2))
    spool.close()
    (segment,) = tmp_path.glob("*.log")
    with segment.open("ab") as file:
        file.write(encode(DOUBT, deliveries(3)[0])[:-4])
    again = Spool(tmp_path)
    again.append(deliveries(4))
    assert read_all(again) == [1, 2, 4]
    assert len(list((tmp_path / "quarantine").iterdir())) == 1


def test_damage_in_the_middle_is_quarantined_once_and_the_rest_is_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(deliveries(1, 2, 3))
    spool.close()
    (segment,) = tmp_path.glob("*.log")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 0xFF
    segment.write_bytes(bytes(content))
    again = Spool(tmp_path)
    assert read_all(again) == [1, 3]
    assert read_all(again) == [1, 3]
    assert len(list((tmp_path / "quarantine").iterdir())) == 1


def test_the_quota_refuses_the_whole_append(tmp_path: Path) -> None:
    spool = Spool(tmp_path, quota=200)
    spool.append(deliveries(1))
    with pytest.raises(SpoolFullError, match="quota 200"):
        spool.append(deliveries(2, 3, 4, 5))
    assert read_all(spool) == [1]


def test_a_full_disk_keeps_nothing_of_the_append(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from ingest.batch import Delivery\n"
        "from ingest.spool import Spool, SpoolFullError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "spool = Spool(Path(sys.argv[1]))\n"
        "spool.append([Delivery('t', b'kept', 1)])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    spool.append([Delivery('t', b'x' * 3000, 2), Delivery('t', b'x' * 3000, 3)])\n"
        "except SpoolFullError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "the disk does not take the spool" in done.stdout
    assert read_all(Spool(tmp_path)) == [1]


def test_a_process_killed_while_it_appends_keeps_what_it_was_told_is_kept(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ingest.batch import Delivery\n"
        "from ingest.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), segment_bytes=5000)\n"
        "for n in range(10**9):\n"
        "    spool.append([Delivery('t', b'x' * 100, n)])\n"
        "    print(n, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(200)]
        process.kill()
        told += [int(line) for line in process.stdout if line.endswith("\n")]
    found = read_all(Spool(tmp_path))
    assert found[: len(told)] == told
    assert len(found) - len(told) <= 1


def test_segments_can_be_read_by_their_owner_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(deliveries(1))
    (segment,) = tmp_path.glob("*.log")
    assert os.stat(segment).st_mode & 0o077 == 0


def test_damage_that_cannot_be_set_aside_does_not_keep_the_rest_from_being_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(deliveries(1))
    spool.append(deliveries(2))
    spool.close()
    (segment,) = tmp_path.glob("*.log")
    data = bytearray(segment.read_bytes())
    data[20] ^= 0xFF
    segment.write_bytes(data[:-3])
    (tmp_path / "quarantine").write_text("in the way of the folder")
    spool = Spool(tmp_path)
    spool.append(deliveries(3))
    assert read_all(spool) == [3]
    assert spool.quarantined > 0


def test_a_spool_whose_id_cannot_be_kept_still_takes_deliveries(tmp_path: Path) -> None:
    (tmp_path / "id").symlink_to(tmp_path / "nowhere" / "id")
    spool = Spool(tmp_path)
    spool.append(deliveries(1, 2))
    assert read_all(spool) == [1, 2]
    later = Spool(tmp_path)
    assert later.id != spool.id
    assert read_all(later) == [1, 2]
