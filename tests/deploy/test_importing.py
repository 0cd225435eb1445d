"""History comes in with its own times; its vital signs are rebuilt, and a late hour of it raises revisions."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import psycopg
import pytest
from mqtt_client import MqttClient, eventually
from processing_material import city_files

from deploy.errors import DeployError
from deploy.importing import run_import
from deploy.recompute import Wanted, run_recompute
from deploy.settings import Settings, load
from devices.kinds import kinds
from devices.topics import Topics
from ingest.database_link import DatabaseLink

TOML = """
name = "halls"
files = "{file}"
kind = "car_park"
[device]
column = "hall"
[time]
column = "at"
[fields]
totalSpotNumber = "spots"
occupiedSpotNumber = "taken"
[areas]
rule = "constant"
code = "990101001"
"""
SPAN = Wanted("2016-11-04T08:00:00+08:00", "2016-11-04T10:00:00+08:00")


@pytest.fixture(autouse=True)
def priority(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A recomputation steps back behind everything else; all tests that follow in this process would as well."""
    before = os.nice(0)
    monkeypatch.setattr("deploy.recompute.os.nice", lambda _: before)
    yield
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.fixture
def settings(tmp_path: Path, database_url: str, broker_url: str) -> Settings:
    folder = tmp_path / "city"
    folder.mkdir()
    for name, text in city_files().items():
        (folder / name).write_text(text, encoding="utf-8")
    loaded = load({}, data_dir=tmp_path / "data")
    return replace(loaded, database_url=database_url, mqtt_url=broker_url, city=str(folder))


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def trace(tmp_path: Path, name: str, halls: str, minutes: range, broken: bool = False) -> str:
    """A recording of 2016: each hall says every five minutes how many of its 100 spots are taken."""
    folder = tmp_path / name
    folder.mkdir()
    (folder / "trace.toml").write_text(TOML.format(file="halls.csv"))
    rows = [
        f"{hall},2016-11-04T{8 + minute // 60:02}:{minute % 60:02}:07+08:00,100,{(minute + ord(hall)) % 100}"
        for hall in halls
        for minute in minutes
    ]
    if broken:
        rows.append("a,2016-11-04T08:01:00+08:00,100,many")
    (folder / "halls.csv").write_text("\n".join(["hall,at,spots,taken", *rows]))
    return str(folder)


def run(command: Wanted, settings: Settings, capsys: pytest.CaptureFixture[str]) -> str:
    assert run_recompute(command, settings, threading.Event()) == 0
    return capsys.readouterr().out


def test_history_comes_in_once_and_a_late_hour_of_it_raises_revisions(
    tmp_path: Path, settings: Settings, connection: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    early = trace(tmp_path, "early", "abc", range(0, 120, 5), broken=True)
    late = trace(tmp_path, "late", "a", range(62, 118, 5))
    stop = threading.Event()
    assert run_import([early], None, settings, stop, then_recompute=False) == 0
    told = capsys.readouterr().out
    assert "stored 72, duplicate 0, rejected 1" in told
    assert "cityvitals recompute --from 2016-11-04T00:00:07" in told
    assert run_import([early], None, settings, stop, then_recompute=False) == 0
    assert "stored 0, duplicate 72, rejected 1" in capsys.readouterr().out
    assert connection.execute("SELECT stored, duplicate, rejected FROM ledger").fetchall() == [(72, 72, 2)]

    assert "are written as revisions" in run(SPAN, settings, capsys)
    assert "values: 0 differ" in run(replace(SPAN, dry_run=True), settings, capsys)
    steps = connection.execute(
        "SELECT (SELECT count(*) FROM vital_quarters WHERE index = 'composite'), minutes, version FROM vital_hours"
        " WHERE index = 'composite' ORDER BY at"
    ).fetchall()
    # nobody is expected at 08:00, because the first reading is seven seconds younger
    assert [(quarters, minutes[0], version) for quarters, minutes, version in steps] == [(8, 59, 0), (8, 60, 0)]

    assert run_import([late], None, settings, stop, then_recompute=False) == 0
    assert "stored 12" in capsys.readouterr().out
    assert "values: 0 differ" not in run(replace(SPAN, dry_run=True), settings, capsys)
    run(SPAN, settings, capsys)
    assert "values: 0 differ" in run(replace(SPAN, dry_run=True), settings, capsys)
    revisions = connection.execute(
        "SELECT max(revision), min(at) >= '2016-11-04T09:02:00+08:00' FROM vitals WHERE revision > 0"
    ).fetchone()
    assert revisions == (1, True)
    hours = connection.execute("SELECT version FROM vital_hours WHERE index = 'composite' ORDER BY at, version")
    assert [version for (version,) in hours] == [0, 0, 1]


def test_an_interrupted_recompute_goes_on_where_it_was(
    tmp_path: Path, settings: Settings, connection: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    run_import([trace(tmp_path, "t", "a", range(0, 120, 5))], None, settings, threading.Event(), then_recompute=False)
    stopped = threading.Event()
    stopped.set()
    assert run_recompute(SPAN, settings, stopped) == 130
    assert "stopped at 2016-11-04T08:15:00+08:00" in capsys.readouterr().out
    count = "SELECT count(*) FROM vital_minutes WHERE index = 'composite'"
    assert connection.execute(count).fetchone() == (14,)  # nobody is expected at 08:00
    assert "105 minutes in" in run(SPAN, settings, capsys)
    assert connection.execute(count).fetchone() == (119,)
    assert "120 minutes in" in run(replace(SPAN, dry_run=True), settings, capsys)


def test_another_policy_gives_other_values_under_its_own_version(
    tmp_path: Path, settings: Settings, connection: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    run_import([trace(tmp_path, "t", "ab", range(0, 120, 5))], None, settings, threading.Event(), then_recompute=False)
    run(SPAN, settings, capsys)
    policy = tmp_path / "policy.toml"
    policy.write_text('[indicators."parking.garage_occupancy"]\ngoalposts = [[0.0, 100], [1.0, 0]]\n')
    assert "values: 0 differ" not in run(replace(SPAN, policy=policy, dry_run=True), settings, capsys)
    run(replace(SPAN, policy=policy), settings, capsys)
    versions = connection.execute(
        "SELECT DISTINCT method_version FROM vitals WHERE index = 'parking.garage_occupancy'"
    ).fetchall()
    kept = connection.execute("SELECT count(*) FROM policies").fetchone()
    assert (len(versions), kept) == (2, (1,))
    policy.write_text("[nothing]\n")
    with pytest.raises(DeployError, match="nothing"):
        run_recompute(replace(SPAN, policy=policy), settings, threading.Event())


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (replace(SPAN, start="yesterday"), "--from is 'yesterday'"),
        (replace(SPAN, end="2016-11-04T08:00:00+08:00"), "must be before --to"),
    ],
)
def test_what_is_wrong_is_named(settings: Settings, command: Wanted, named: str) -> None:
    with pytest.raises(DeployError, match=named):
        run_recompute(command, settings, threading.Event())


def test_an_import_does_not_cut_the_connection_of_live_ingest(tmp_path: Path, settings: Settings) -> None:
    live = DatabaseLink(settings.database)
    before = live.do(lambda connection: connection.info.backend_pid)
    run_import([trace(tmp_path, "t", "a", range(0, 10, 5))], None, settings, threading.Event(), then_recompute=False)
    assert live.do(lambda connection: connection.execute("SELECT pg_backend_pid()").fetchone()) == (before,)
    assert live.errors == 0
    live.close()


def test_a_running_pipeline_is_told_of_the_devices_that_came(tmp_path: Path, settings: Settings) -> None:
    pipeline = MqttClient(settings.broker)
    pipeline.subscribe(Topics("990000", kinds()).command("registry"))
    run_import([trace(tmp_path, "t", "ab", range(0, 10, 5))], None, settings, threading.Event(), then_recompute=False)
    eventually(lambda: len(pipeline.received) == 1, "the command")
    assert orjson.loads(pipeline.received[0].payload) == {"devices": ["a", "b"]}
    pipeline.close()


def test_an_import_needs_no_broker(
    tmp_path: Path, settings: Settings, connection: psycopg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = replace(settings, mqtt_url="mqtt://127.0.0.1:1")
    run_import([trace(tmp_path, "t", "a", range(0, 10, 5))], None, alone, threading.Event(), then_recompute=False)
    assert "a pipeline learns of new devices at its next start" in capsys.readouterr().out
    assert connection.execute("SELECT count(*) FROM devices").fetchone() == (1,)
