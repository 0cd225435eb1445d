"""The integrators' guide is run as it stands: its shell commands in their order, and its gateway."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
import pytest
from live_api import PATIENCE, RunningApi, running_api
from mqtt_client import eventually, mqtt_client
from ports import free_port
from running_ingest import running_ingest

from api.config import ApiConfig
from deploy.embedded import broker
from deploy.embedded.server import running
from devices.city import load_city
from devices.kinds import kinds
from devices.topics import Topics
from ingest.database import connect

GUIDE = (Path(__file__).parents[2] / "docs" / "integrators.md").read_text(encoding="utf-8")
TOPICS = Topics("310000", kinds())


def blocks(language: str) -> list[str]:
    """Fenced blocks of the guide."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def own_broker(tmp_path: Path, servers: Path) -> Iterator[str]:
    server = broker.prepare(tmp_path / "broker", free_port(), servers)
    with running(server, tmp_path / "broker.log"):
        yield server.url


@pytest.fixture
def api(database_url: str, own_broker: str) -> Iterator[RunningApi]:
    with running_api(ApiConfig(database_url, own_broker, load_city("shanghai"), replay_wait=PATIENCE)) as api:
        api.await_broker()
        yield api


@pytest.fixture
def programs(tmp_path: Path, servers: Path, own_broker: str) -> Path:
    """Mosquitto's clients, speaking to this test's broker; what curl would ask, the test itself does."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, more in (("mosquitto_pub", ""), ("mosquitto_sub", f"-W {PATIENCE:.0f}")):
        at = f"-h 127.0.0.1 -p {own_broker.rpartition(':')[2]}"
        (folder / name).write_text(f'#!/bin/sh\nexec {servers}/usr/bin/{name} {at} "$@" {more}\n')
    (folder / "sleep").write_text("#!/bin/sh\nexec /bin/sleep 4\n")  # a busy machine may need more than a second
    (folder / "curl").write_text("#!/bin/sh\n")
    for program in folder.iterdir():
        program.chmod(0o755)
    return folder


def asked(client: httpx.Client, block: str) -> list[Any]:
    """The answers to the curl commands of a block."""
    answers = []
    for method, path in re.findall(r'^curl (?:-X (\w+) )?"http://127.0.0.1:8000([^"]+)"', block, re.MULTILINE):
        answer = client.request(method or "GET", path)
        assert answer.status_code == 200, answer.text
        answers.append(answer.json())
    return answers


def test_the_commands_do_what_the_guide_says(
    api: RunningApi, programs: Path, database_url: str, own_broker: str, tmp_path: Path
) -> None:
    areas = frozenset(area.code for area in load_city("shanghai").areas)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    answers: list[Any] = []
    with (
        running_ingest(
            database_url=database_url, broker_url=own_broker, topics=TOPICS, spool=tmp_path / "spool", areas=areas
        ) as ingest,
        httpx.Client(base_url=api.url, timeout=30) as client,
    ):
        for block in blocks("sh"):
            before = ingest.service.counters.messages
            subprocess.run(["bash", "-euc", block], env=environment, cwd=tmp_path, check=True, timeout=PATIENCE)
            published = len(re.findall(r"^ *mosquitto_pub", block, re.MULTILINE))
            eventually(
                lambda: ingest.service.counters.messages >= before + published and ingest.service.pending == 0,  # noqa: B023
                "everything is committed",
            )
            answers += asked(client, block)
        first, rejects, replayed, gaps, area_gaps = answers
        assert [reading["status"] for reading in first["items"]] == ["occupied"]
        assert [reject["reason"] for reject in rejects["items"]] == ["unknown_device"]
        assert replayed["stored"] == 1
        assert (gaps["device"], gaps["missing"]) == ("bay-17", 0)
        assert area_gaps["area"] == "310104003"
        stored = client.get("/v1/ledger").json()["streams"]
    assert (stored["parking_bay"]["stored"], stored["parking_bay"]["rejected"]) == (4, 2)
    assert stored["garbage_hut_illegal_dumping"]["stored"] == 1
    error = orjson.loads((tmp_path / "err.json").read_bytes())
    shown = orjson.loads(next(block for block in blocks("json") if "half full" in block))
    assert error.keys() == shown.keys()
    assert (error["reason"], error["detail"]) == (shown["reason"], shown["detail"])
    assert orjson.loads((tmp_path / "reply.json").read_bytes())["reason"] == "syntax"


def test_the_gateway_sends_again_what_was_lost_before_anybody_listened(
    own_broker: str, database_url: str, tmp_path: Path
) -> None:
    (program,) = blocks("python")
    assert len([line for line in program.splitlines() if line.strip()]) <= 30
    (tmp_path / "gateway.py").write_text(program, encoding="utf-8")
    arguments = [sys.executable, str(tmp_path / "gateway.py"), "127.0.0.1", own_broker.rpartition(":")[2]]
    with ExitStack() as stack:
        listener = stack.enter_context(mqtt_client(own_broker))
        listener.subscribe(TOPICS.telemetry("parking_bay", "gateway-1"))
        gateway = stack.enter_context(subprocess.Popen(arguments))
        stack.callback(gateway.kill)
        eventually(lambda: len(listener.received) >= 3, "three readings that nobody keeps")
        connection = stack.enter_context(connect(database_url))
        connection.autocommit = True
        stack.enter_context(
            running_ingest(database_url=database_url, broker_url=own_broker, topics=TOPICS, spool=tmp_path / "spool")
        )
        eventually(lambda: committed(connection) >= 4, "all readings are committed, the first ones too")
        assert gateway.poll() is None


def committed(connection: psycopg.Connection) -> int:
    """How far the gateway's device is, if every number up to there is in the table."""
    watermark = connection.execute("SELECT committed FROM watermarks").fetchone()
    if watermark is None:
        return -1
    row = connection.execute("SELECT count(DISTINCT seq) FROM parking_bay WHERE seq <= %s", watermark).fetchone()
    assert row is not None
    assert row[0] >= watermark[0] + 1
    return int(watermark[0])
