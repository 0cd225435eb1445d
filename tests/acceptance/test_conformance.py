"""Every kind goes the whole way: encode, publish, decode, store, aggregate, API; also one that comes as a new file."""

import os
import random
import re
import shutil
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
from acceptance_material import (
    Sent,
    city_folder,
    environment,
    ledger,
    reading,
    running_pipeline,
    stored,
    stored_row,
    table_rows,
)
from live_api import PATIENCE, running_api, wait_until

from api import models
from api.config import ApiConfig
from devices.city import City, load_city
from devices.contract import Kind, Stream
from devices.kinds import kinds
from devices.publisher import Publisher
from devices.topics import Topics
from processing.indicators import INDICATORS
from processing.method import SEQUENCES, kind_of

ROOT = Path(__file__).parents[2]
SLOW = (*SEQUENCES, "load_factor", "peak_to_average", "latest_deviation")
EXPECTED = "CITYVITALS_TEST_KIND"
"""set in the run that looks at a kind which this repository does not have"""
VANISHING = ("*.pyc.*", "*.tmp.*")
"""what other processes write compiled code into until it is whole"""
TELEMETRY, EVENTS = 12, 14
"""readings per device and stream"""


def devices_of(kind: Kind) -> list[str]:
    return [f"{kind.id} 甲", f"{kind.id}-b"]


def made(kind: Kind, stream: Stream, now: int) -> list[Sent]:
    """Readings of the last minutes; each device's newest is a whole one."""
    rng = random.Random(stream.name)
    count = EVENTS if stream.is_event else TELEMETRY
    return [
        reading(
            stream,
            device,
            now - (count - 1 - n) * 20_000_000 - rng.randrange(1, 900) * 1000,
            rng,
            whole=n % 3 == 0 or n == count - 1,
            seq=n if number else None,
        )
        for number, device in enumerate(devices_of(kind))
        for n in range(count)
    ]


def publish(publisher: Publisher, topics: Topics, street: str, sent: dict[str, list[Sent]]) -> int:
    """Births, then all readings; returns how many readings."""
    for kind in kinds().values():
        for number, device in enumerate(devices_of(kind)):
            place = {"type": "Point", "coordinates": [121.05 + number / 100, 31.05]}
            seldom = {"reportingInterval": 600}  # nothing is stale before all was looked at
            birth = {"area": street, "location": place, "name": f"{kind.name_zh} {number}", "attributes": seldom}
            publisher.publish(topics.meta(kind.id, device), orjson.dumps(birth), retain=True)
        for stream in kind.streams:
            for one in sent[stream.name]:
                publisher.publish(topics.stream(stream, one.device), one.payload)
    assert publisher.flush(PATIENCE)
    return sum(map(len, sent.values()))


def test_every_kind_goes_the_whole_way(database_url: str, broker_url: str, tmp_path: Path) -> None:
    if EXPECTED in os.environ:
        assert os.environ[EXPECTED] in kinds()
    folder = city_folder(tmp_path / "city", "81")
    city = load_city(folder)
    topics = Topics(city.code, kinds())
    street = city.at_level("street")[0].code
    with running_pipeline(environment(database_url, broker_url, folder, tmp_path / "data")):
        now = time.time_ns() // 1_000_000 * 1000
        sent = {s.name: made(kind, s, now) for kind in kinds().values() for s in kind.streams}
        with Publisher(broker_url) as publisher:
            total = publish(publisher, topics, street, sent)
        with psycopg.connect(database_url, autocommit=True) as connection:
            wait_until(lambda: sum(ledger(connection).values()) >= total, "the ledger to hold every reading")
            assert ledger(connection) == {"stored": total, "duplicate": 0, "rejected": 0}
            for kind in kinds().values():
                for stream in kind.streams:
                    expected = sorted(stored_row(stream, one) for one in sent[stream.name])
                    assert table_rows(connection, stream) == expected, stream.name
        with (
            running_api(ApiConfig(database_url, broker_url, city, silent_after=600)) as api,
            httpx.Client(base_url=api.url, trust_env=False, timeout=PATIENCE) as client,
        ):
            look_at_kinds(client)
            look_at_readings(client, sent)
            look_at_vitals(client, city, street)
            body = client.get("/v1/ledger").json()
            assert body["stored"] == body["received"] == total


def look_at_kinds(client: httpx.Client) -> None:
    listed = {kind["id"]: kind for kind in client.get("/v1/kinds").json()["items"]}
    assert list(listed) == list(kinds())
    for kind in kinds().values():
        assert client.get(f"/v1/kinds/{kind.id}").json() == listed[kind.id]
        assert [s["name"] for s in listed[kind.id]["streams"]] == [s.name for s in kind.streams]
        for shown, stream in zip(listed[kind.id]["streams"], kind.streams, strict=True):
            assert [field["name"] for field in shown["fields"]] == [spec.name for spec in stream.fields]


def look_at_readings(client: httpx.Client, sent: dict[str, list[Sent]]) -> None:
    for kind in kinds().values():
        for stream in kind.streams:
            for device in devices_of(kind):
                items = client.get(f"/v1/readings/{stream.name}", params={"device": device, "limit": 100}).json()[
                    "items"
                ]
                expected = sorted((one for one in sent[stream.name] if one.device == device), key=lambda s: -s.observed)
                assert [shape(stream, item) for item in items] == [stored_row(stream, one) for one in expected]


def shape(stream: Stream, item: dict[str, Any]) -> tuple[Any, ...]:
    """An answer's reading in the form of a stored row."""
    columns = [part for spec in stream.fields for part in stored(spec, item.get(spec.name))]
    return (item["device"], datetime.fromisoformat(item["dateObserved"]), item.get("seq"), *columns)


def look_at_vitals(client: httpx.Client, city: City, street: str) -> None:
    def indicators(area: str) -> dict[str, Any]:
        domains = client.get(f"/v1/areas/{area}/vitals").json()["domains"].values()
        return {name: value for domain in domains for name, value in domain["indicators"].items()}

    # a few readings say nothing yet of the course of an hour, a day or a week
    slow = {row.id for row in INDICATORS if row.aggregation in SLOW}

    def missing() -> list[str]:
        found = indicators(street)
        rows = [row for row in INDICATORS if kind_of(row) in kinds() and row.id not in slow]
        return [row.id for row in rows if (found.get(row.id) or {}).get("value") is None]

    try:
        wait_until(lambda: not missing(), "a value of every indicator")
    except AssertionError:
        raise AssertionError(f"no value of {missing()}") from None
    for area in (city.area(street), *city.ancestors(street)):
        models.Vitals.model_validate_json(client.get(f"/v1/areas/{area.code}/vitals").content)
        for name, value in indicators(area.code).items():
            assert value["coverage"] == 1.0 or name in slow, name


def blocks() -> dict[str, str]:
    """The code of the worked example in docs/methodology.md, by what stands after ```python."""
    text = (ROOT / "docs" / "methodology.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^```python (\S+)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))


def with_rows(source: str, table: str, rows: str) -> str:
    """The module's text with rows added at the end of a table."""
    head, found, rest = source.partition(f"{table}: tuple[")
    assert found, table
    body, closing, tail = rest.partition("\n)\n")
    return f"{head}{found}{body}\n{rows.rstrip()}{closing}{tail}"


def test_a_sixth_kind_is_one_file_and_its_rows(tmp_path: Path) -> None:
    copy = tmp_path / "repository"
    for package in ("devices", "ingest", "processing", "api", "deploy"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns(*VANISHING))
    for name in ("conftest.py", "ports.py", "live_api.py", "processing_material.py", "acceptance_material.py"):
        (copy / "tests").mkdir(exist_ok=True)
        shutil.copy2(ROOT / "tests" / name, copy / "tests" / name)
    (copy / "tests" / "acceptance").mkdir()
    shutil.copy2(__file__, copy / "tests" / "acceptance")
    shutil.copy2(ROOT / "pyproject.toml", copy)

    example = blocks()
    (new_file,) = (name for name in example if name.startswith("devices/kinds/"))
    (copy / new_file).write_text(example[new_file], encoding="utf-8")
    table = copy / "processing" / "indicators.py"
    source = table.read_text(encoding="utf-8")
    for name in ("DOMAINS", "INDICATORS"):
        source = with_rows(source, name, example[name])
    table.write_text(source, encoding="utf-8")

    command = [sys.executable, "-m", "pytest", "-q", "-x", "tests/acceptance", "-k", "every_kind"]
    cache = str(tmp_path / "numba")  # what is compiled of the copy serves nobody later
    variables = os.environ | {EXPECTED: Path(new_file).stem, "PYTHONPATH": str(copy), "NUMBA_CACHE_DIR": cache}
    result = subprocess.run(command, cwd=copy, env=variables, capture_output=True, text=True, timeout=560, check=False)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert "1 passed" in result.stdout
