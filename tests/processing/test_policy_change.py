"""A city changes its policy while everything runs: from one tick on, and for nothing before it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from live_api import wait_until
from processing_material import MINUTE, NOW, SECOND, batch, device, observed, store
from processing_service import Clock, Published, arrive, running, service

from ingest.intake import Committed
from processing.policy import SHIPPED, parse, write
from processing.policy_keeper import PolicyKeeper
from processing.policy_store import load_changes, record_change
from processing.timeline import Timeline

KERB, NH3 = "parking.kerb_occupancy", "waste.nh3_exceedance"
HEAVY = f"[domains.parking]\nweight = 3\n[indicators.{KERB}]\ngoalposts = [[0, 0], [1, 50]]\n"
SHORT = f"[indicators.{NH3}]\nwindow = 600\n"
BAYS = [device(key, "parking_bay") for key in (1, 2)]
HUTS = [device(key, "garbage_hut") for key in (5, 6)]
READINGS = [
    batch("parking_bay", [(key, observed(-8, status="occupied")) for key in (1, 2)]),
    batch("garbage_hut", [(key, observed(s, nh3=9 if s < -1000 else 0)) for key in (5, 6) for s in (-1800, -8)]),
]


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def put(file: Path, text: str) -> None:
    """As a careful writer does it."""
    draft = file.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    os.replace(draft, file)


def said(published: Published, index: str = KERB, area: str = "990101001") -> dict[str, Any]:
    value: dict[str, Any] = published.documents[area]["domains"][index.split(".")[0]]["indicators"][index]
    return value


def versions(published: Published) -> list[str]:
    return [tick["methodVersion"] for tick in published.ticks]


def rows(connection: psycopg.Connection, index: str = KERB) -> list[tuple[int, int, str, str, float | None]]:
    """(minutes from NOW, revision, state, version, score) in the first street."""
    found = connection.execute(
        "SELECT (extract(epoch FROM at)::bigint - %s) / 60, revision, state, method_version, score FROM vitals"
        " WHERE area = '990101001' AND index = %s AND at >= to_timestamp(%s) ORDER BY at, revision",
        [NOW // SECOND, index, NOW // SECOND],
    ).fetchall()
    return [(int(at), revision, state, version, score) for at, revision, state, version, score in found]


def test_a_changed_file_counts_from_a_tick_on_and_the_past_stays_as_it_was(
    database_url: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    store(connection, BAYS + HUTS, *READINGS)
    file, clock, published = tmp_path / "policy.toml", Clock(NOW / 1e6 - 1000), Published()
    heavy = parse(HEAVY)
    with running(service(database_url, clock, published, policy_file=file)) as made:
        arrive(clock, published)
        wait_until(lambda: len(rows(connection)) >= 1, "the first minute")
        put(file, HEAVY)
        wait_until(lambda: versions(published)[-1] == heavy.version, "a tick under the new policy")
        assert said(published)["score"] == 50
        assert {d["methodVersion"] for d in published.documents.values()} == {heavy.version}
        assert sorted(set(versions(published))) == sorted({SHIPPED.version, heavy.version})
        clock.offset += 56
        wait_until(lambda: len(rows(connection)) >= 2, "the second minute")
        clock.offset += 120
        wait_until(lambda: sum(row[2] == "final" for row in rows(connection)) >= 2, "two final minutes")
        expected = [(0, 0, "final", SHIPPED.version, 0.0), (1, 0, "final", heavy.version, 50.0)]
        assert rows(connection)[:2] == expected
        late = batch("parking_bay", [(2, observed(-1, status="free"))])
        store(connection, [], late)
        made._recomputer.request(NOW, NOW + MINUTE)
        wait_until(lambda: sum(row[1] == 1 for row in rows(connection)) == 2, "two revisions")
    assert [row for row in rows(connection) if row[1] == 1] == [
        (0, 1, "final", SHIPPED.version, half_occupied()),
        (1, 1, "final", heavy.version, 25.0),
    ]
    assert [version for _, version, _ in load_changes(connection)] == [SHIPPED.version, heavy.version]


def half_occupied() -> float:
    """The score of half the bays occupied, by the shipped goalposts."""
    posts = next(row.goalposts for row in SHIPPED.indicators if row.id == KERB)
    below = max(post for post in posts if post[0] <= 0.5)
    above = min(post for post in posts if post[0] >= 0.5)
    share = 0.0 if above == below else (0.5 - below[0]) / (above[0] - below[0])
    return below[1] + share * (above[1] - below[1])


def test_a_changed_window_is_filled_from_the_database_before_it_counts(
    database_url: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    store(connection, BAYS + HUTS, *READINGS)
    file, clock, published = tmp_path / "policy.toml", Clock(NOW / 1e6 - 1000), Published()
    short = parse(SHORT)
    with running(service(database_url, clock, published, policy_file=file)) as made:
        arrive(clock, published)
        wait_until(lambda: len(rows(connection, NH3)) >= 1, "the first minute")
        assert said(published, NH3)["value"] == 0.5
        before = len(published.ticks)
        looks_back = psycopg.connect(database_url)
        looks_back.execute("LOCK TABLE garbage_hut IN ACCESS EXCLUSIVE MODE")  # what must be read takes long
        put(file, SHORT)
        free = batch("parking_bay", [(1, observed(0, status="free"))])
        with connection.transaction():
            store(connection, [], free)
            (transaction,) = connection.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or (0,)
        made.hand_on(Committed([free], transaction=transaction))
        wait_until(lambda: len(published.ticks) > before + 3, "the ticks go on")
        assert versions(published)[-1] == SHIPPED.version
        looks_back.close()
        wait_until(lambda: versions(published)[-1] == short.version, "a tick under the new policy")
        assert said(published, NH3)["value"] == 0.0
        assert said(published)["value"] == 0.5, "what came meanwhile is not lost"
        clock.offset += 176
        wait_until(lambda: sum(row[2] == "final" for row in rows(connection, NH3)) >= 2, "two final minutes")
    assert [row[:4] for row in rows(connection, NH3)][:2] == [
        (0, 0, "final", SHIPPED.version),
        (1, 0, "final", short.version),
    ]


def test_a_wrong_file_changes_nothing_and_is_told_until_it_is_right(database_url: str, tmp_path: Path) -> None:
    file, published = tmp_path / "policy.toml", Published()
    with running(service(database_url, Clock(), published, policy_file=file)):
        wait_until(lambda: len(published.ticks) > 1, "ticks")
        put(file, "[domains.parking]\nweight = -1\n")
        wait_until(lambda: bool(published.ticks[-1]["alarms"]), "the alarm")
        (alarm,) = published.ticks[-1]["alarms"]
        assert alarm["id"] == "policy_refused"
        assert alarm["detail"] == "domains.parking.weight is -1, must be a number from 0 to 1000"
        assert versions(published)[-1] == SHIPPED.version
        put(file, HEAVY)
        wait_until(lambda: versions(published)[-1] == parse(HEAVY).version, "the right policy")
        wait_until(lambda: not published.ticks[-1]["alarms"], "the end of the alarm")


def test_a_restart_with_a_wrong_file_goes_on_with_the_policy_before(
    database_url: str, connection: psycopg.Connection, tmp_path: Path
) -> None:
    record_change(connection, SHIPPED, NOW - 3 * MINUTE)
    record_change(connection, parse(HEAVY), NOW - 2 * MINUTE)
    file = tmp_path / "policy.toml"
    file.write_text("[domains.park", encoding="utf-8")
    made = service(database_url, Clock(), policy_file=file)
    made.restore()
    assert made.engine.method_version == parse(HEAVY).version


def test_a_file_counts_only_once_nobody_writes_to_it(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    keeper = PolicyKeeper("postgresql://127.0.0.1:1/nowhere", file)
    assert keeper.wanted == SHIPPED
    whole = write(parse(HEAVY))
    file.write_text(whole[: len(whole) // 2], encoding="utf-8")
    keeper._look()
    file.write_text(whole, encoding="utf-8")
    keeper._look()
    assert keeper.wanted == SHIPPED
    assert keeper.refused is None
    wait_until(lambda: (keeper._look(), keeper.wanted == parse(HEAVY))[1], "the whole file")
    file.unlink()
    wait_until(lambda: (keeper._look(), keeper.wanted == SHIPPED)[1], "the shipped policy again")


@pytest.mark.parametrize("spoil", [lambda f: f.write_bytes(b"\xff\xfe"), lambda f: f.mkdir()])
def test_what_cannot_be_read_is_refused_too(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    spoil(tmp_path / "policy.toml")
    keeper = PolicyKeeper("postgresql://127.0.0.1:1/nowhere", tmp_path / "policy.toml")
    assert keeper.wanted is None
    assert keeper.refused


def test_every_minute_belongs_to_the_policy_in_force_when_it_came() -> None:
    one, two = SHIPPED, parse(HEAVY)
    timeline = Timeline([(NOW, one)])
    timeline.change(NOW + 90 * SECOND, two)
    assert [timeline.at(NOW + s * SECOND).version for s in (-60, 0, 89, 90, 500)] == [one.version] * 3 + [
        two.version
    ] * 2
    assert timeline.spans(NOW - MINUTE, NOW + 4 * MINUTE) == [
        (NOW - MINUTE, NOW + MINUTE, one),
        (NOW + 2 * MINUTE, NOW + 4 * MINUTE, two),
    ]
    timeline.change(NOW + 4 * MINUTE, one)
    assert [span[:2] for span in timeline.spans(NOW, NOW + 5 * MINUTE)] == [
        (NOW, NOW + MINUTE),
        (NOW + 2 * MINUTE, NOW + 3 * MINUTE),
        (NOW + 4 * MINUTE, NOW + 5 * MINUTE),
    ]


def test_a_policy_of_another_table_of_indicators_is_kept_and_not_used(connection: psycopg.Connection) -> None:
    record_change(connection, SHIPPED, NOW)
    connection.execute("INSERT INTO policies VALUES ('1-gone', '[indicators.\"parking.gone\"]', now())")
    connection.execute("INSERT INTO policy_changes VALUES (now() + interval '1 day', '1-gone')")
    assert [(version, policy) for _, version, policy in load_changes(connection)] == [
        (SHIPPED.version, SHIPPED),
        ("1-gone", None),
    ]
