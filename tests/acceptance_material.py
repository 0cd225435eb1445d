"""What the acceptance tests are made of: a small city's folder, a pipeline to run, and readings made from declarations.

The readings come from the fields' declarations alone, so that a kind nobody has seen yet is put through as well.
"""

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import paho.mqtt.client as mqtt
import psycopg
from live_api import PATIENCE, wait_until
from paho.mqtt.enums import CallbackAPIVersion
from processing_material import city_files

from deploy.pipeline import Pipeline
from deploy.settings import load
from devices.contract import FieldSpec, Stream
from devices.publisher import Server
from devices.topics import Topics
from devices.units import EPOCH, format_instant, format_point
from ingest.database import declared_columns

LABELS = ("一号线", "b 2")
ZONE = timezone(timedelta(hours=8))


def city_folder(path: Path, code: str) -> Path:
    """The folder of a small city whose codes begin with the two digits of ``code``."""
    path.mkdir()
    for name, text in city_files(code).items():
        (path / name).write_text(text, encoding="utf-8")
    return path


def environment(database_url: str, broker_url: str, city: Path, data: Path) -> dict[str, str]:
    """The variables that a pipeline of this city needs."""
    return {
        "CITYVITALS_DATABASE_URL": database_url,
        "CITYVITALS_MQTT_URL": broker_url,
        "CITYVITALS_CITY": str(city),
        "CITYVITALS_DATA_DIR": str(data),
        "HOME": str(data),
    }


@contextmanager
def running_pipeline(variables: Mapping[str, str]) -> Iterator[Pipeline]:
    """The pipeline process's own object, run in a thread of this process."""
    pipeline = Pipeline(load(variables))
    outcome: list[int] = []
    thread = threading.Thread(target=lambda: outcome.append(pipeline.run()))
    thread.start()
    try:
        wait_until(lambda: pipeline.subscriber.state.connected, "the pipeline to connect")
        yield pipeline
    finally:
        pipeline.stop()
        thread.join(PATIENCE)
    assert outcome == [0], "the pipeline did not end well"


def wait_for_ticks(broker_url: str, topics: Topics, count: int = 2) -> None:
    """Wait until a pipeline of the city has ticked so often: by then it has subscribed."""
    seen: set[bytes] = set()
    server = Server.parse(broker_url)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_message = lambda _client, _data, message: seen.add(message.payload)
    client.connect(server.host, server.port)
    client.subscribe(topics.tick)
    client.loop_start()
    try:
        wait_until(lambda: len(seen) >= count, "the pipeline to tick")
    finally:
        client.disconnect()
        client.loop_stop()


def scalar(connection: psycopg.Connection, query: str, *parameters: Any) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return None if row is None else row[0]


def ledger(connection: psycopg.Connection) -> dict[str, int]:
    """Sums over all streams."""
    row = connection.execute(
        "SELECT coalesce(sum(stored), 0)::bigint, coalesce(sum(duplicate), 0)::bigint,"
        " coalesce(sum(rejected), 0)::bigint FROM ledger"
    ).fetchone()
    assert row is not None
    return dict(zip(("stored", "duplicate", "rejected"), row, strict=True))


@dataclass(frozen=True)
class Sent:
    """A reading as it was published."""

    device: str
    observed: int
    """µs since 1970"""
    seq: int | None
    fields: Mapping[str, Any]
    """wire form"""
    as_text: bool = False

    @property
    def payload(self) -> bytes:
        shown: Any = self.observed // 1000
        if self.as_text:
            shown = (EPOCH + timedelta(microseconds=self.observed)).astimezone(ZONE).isoformat()
        number = {} if self.seq is None else {"seq": self.seq}
        return orjson.dumps({"dateObserved": shown, **number, **self.fields})


def reading(stream: Stream, device: str, observed: int, rng: random.Random, *, whole: bool, seq: int | None) -> Sent:
    """A valid reading with all of its fields (``whole``) or some of them."""
    fields = {}
    for spec in stream.fields:
        if whole or spec.required or rng.random() < 0.5:
            fields[spec.name] = wire_value(spec, observed, rng, newest=whole)
    if not fields:
        spec = stream.fields[0]
        fields[spec.name] = wire_value(spec, observed, rng)
    return Sent(device, observed, seq, fields, as_text=seq is not None)


def wire_value(spec: FieldSpec, observed: int, rng: random.Random, *, newest: bool = False) -> Any:
    """A value within the declared bounds."""
    match spec.type:
        case "number" | "integer":
            lower = -1000.0 if spec.lower is None else spec.lower
            upper = 1000.0 if spec.upper is None else spec.upper
            ordinary = lower + 0.75 * (upper - lower)
            bounds = ([] if spec.exclusive_lower else [lower]) + ([] if spec.exclusive_upper else [upper])
            value = ordinary if newest else rng.choice([rng.uniform(lower, upper), ordinary, *bounds])
            return int(value) if spec.type == "integer" else value
        case "boolean":
            return rng.random() < 0.5
        case "choice":
            return spec.choices[0] if newest else rng.choice(spec.choices)
        case "label":
            return rng.choice(LABELS)
        case "instant":
            return format_instant(observed - rng.randrange(0, 60_000) * 1000)
        case "point":
            return format_point((round(rng.uniform(121, 122), 6), round(rng.uniform(31, 32), 6)))


def stored(spec: FieldSpec, value: Any) -> tuple[Any, ...]:
    """What the table's columns of a field hold for a wire value."""
    if spec.type == "point":
        return (None, None) if value is None else tuple(value["coordinates"])
    if spec.type == "instant" and value is not None:
        return (datetime.fromisoformat(value).astimezone(UTC),)
    return (value,)


def stored_row(stream: Stream, sent: Sent) -> tuple[Any, ...]:
    """The row that a reading becomes: device id, dateObserved, seq, then every column."""
    columns = [part for spec in stream.fields for part in stored(spec, sent.fields.get(spec.name))]
    return (sent.device, EPOCH + timedelta(microseconds=sent.observed), sent.seq, *columns)


def table_rows(connection: psycopg.Connection, stream: Stream) -> list[tuple[Any, ...]]:
    """What the hypertable holds, in the same form."""
    names = ", ".join(f"r.{name}" for name in declared_columns(stream))
    rows = connection.execute(
        f"SELECT d.id, r.date_observed, nullif(r.seq, -1), {names}"
        f' FROM public."{stream.name}" r JOIN devices d ON d.key = r.device ORDER BY 1, 2, 3'
    ).fetchall()
    return [tuple(v.astimezone(UTC) if isinstance(v, datetime) else v for v in row) for row in rows]
