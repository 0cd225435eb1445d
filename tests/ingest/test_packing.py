"""What is packed is what the table returns: for every stream, any pattern of missing values and texts of any length."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql

from devices.contract import FieldSpec, Stream, Telemetry
from devices.kinds import streams
from devices.units import EPOCH, MICROSECOND, Instant, Label, Point
from ingest.batch import MISSING, Batch, Column
from ingest.database import connect, migrate
from ingest.laid_out import lay_out
from ingest.packing import HEADER, TRAILER, pack
from ingest.reading_store import column_names, known_values, store_readings, store_trusting


class Odd(Telemetry):
    """Names that meet those of the packing's own, and every type."""

    count: int | None = None
    row: Label | None = None
    fields: bool | None = None
    width: float | None = None
    moment: Instant | None = None
    place: Point | None = None


STREAMS = {**streams(), "odd": Stream("odd", "odd", Odd)}
TEXTS = ("a", "71路", "ä" * 64, "😀", "x" * 128, "汉" * 300, " ", "\\N", '"', "\t\n", "é\u0301")


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    migrate(database_url, STREAMS.values())
    with connect(database_url) as connection:
        connection.autocommit = True
        yield connection


def column(spec: FieldSpec, missing: np.ndarray[Any, np.dtype[np.bool_]], dice: np.random.Generator) -> Column:
    """Values of a field's type from one end to the other, missing where asked."""
    count = len(missing)
    match spec.type:
        case "number" | "point":
            values = dice.choice([0.0, -0.5, 1 / 3, 1e-310, 1e10, -123456.789], count)
            return np.where(missing, np.nan, values)
        case "integer":
            return np.where(missing, MISSING, dice.choice([0, 1, -1, 2**63 - 1, 1 - 2**63, 10_000_000], count))
        case "instant":
            return np.where(missing, MISSING, dice.integers(-(10**15), 10**16, count))
        case "boolean":
            return np.where(missing, -1, dice.integers(0, 2, count)).astype(np.int8)
        case "choice":
            return np.where(missing, -1, dice.integers(0, len(spec.choices), count)).astype(np.int16)
        case "label":
            return np.where(missing, -1, dice.integers(0, len(TEXTS), count)).astype(np.int32)


def batch_of(stream: Stream, count: int, share_missing: float, seed: int) -> Batch:
    dice = np.random.default_rng(seed)
    columns = {
        name: column(spec, dice.random(count) < share_missing, dice) for spec in stream.fields for name in spec.columns
    }
    return Batch(
        stream=stream,
        device=np.arange(count, dtype=np.int32),
        time=np.full(count, 1_795_000_000_000_001) + np.arange(count) * 1_000_003,
        seq=np.where(dice.random(count) < 0.5, -1, 2**53 - 1),
        received=np.full(count, 1_795_000_000_999_999),
        columns=columns,
        source=np.zeros(count, np.int32),
        item=np.zeros(count, np.int32),
        texts={spec.columns[0]: TEXTS for spec in stream.fields if spec.type == "label"},
    )


def expected(spec: FieldSpec, cell: Any) -> Any:
    match spec.type:
        case "number" | "point":
            return None if np.isnan(cell) else float(cell)
        case "integer" | "instant":
            return None if cell == MISSING else int(cell)
        case "boolean":
            return None if cell < 0 else bool(cell)
        case "choice":
            return None if cell < 0 else spec.choices[cell]
        case "label":
            return None if cell < 0 else TEXTS[cell]


def read_back(value: Any) -> Any:
    return (value - EPOCH) // MICROSECOND if isinstance(value, datetime) else value


def expected_rows(batch: Batch) -> list[list[Any]]:
    specs = [(spec, column) for spec in batch.stream.fields for column in spec.columns]
    return [[expected(spec, batch.columns[column][row]) for spec, column in specs] for row in range(len(batch))]


def test_a_batch_comes_back_as_it_went_in(connection: psycopg.Connection) -> None:
    for stream in STREAMS.values():
        names = sql.SQL(", ").join(map(sql.Identifier, column_names(stream)))
        query = sql.SQL("SELECT {} FROM {} ORDER BY device").format(names, sql.Identifier(stream.name))
        for share_missing in (0.0, 0.1, 0.7, 1.0):
            batch = batch_of(stream, 300, share_missing, seed=len(stream.name))
            with connection.transaction(force_rollback=True):
                assert store_readings(connection, batch).repeats.new.all()
                rows = [[read_back(value) for value in row] for row in connection.execute(query).fetchall()]
            identities = zip(batch.device, batch.time, batch.seq, batch.received, strict=True)
            assert rows == [[*one, *values] for one, values in zip(identities, expected_rows(batch), strict=True)]


def test_what_was_laid_out_ahead_is_stored_like_what_was_not(connection: psycopg.Connection) -> None:
    for stream in STREAMS.values():
        batch = batch_of(stream, 200, 0.3, seed=3)
        batch = batch.take(np.concatenate([np.arange(200), np.arange(50)]))  # the last are repeats
        rows = []
        for suspects in (np.empty(0, np.intp), np.arange(30, 60)):
            for laid_out in (None, lay_out([batch])[id(batch)]):
                with connection.transaction(force_rollback=True):
                    if len(suspects):
                        store_readings(connection, batch.take(suspects[:10]))
                    outcome = store_trusting(connection, batch, suspects, laid_out)
                    rows.append(list(known_values(connection, batch).values()))
                assert int(outcome.repeats.duplicate.sum()) == 50 + min(10, len(suspects))
        assert len(rows[0]) == 250
        assert all(one == rows[0] for one in rows)


@pytest.mark.parametrize("trusting", [False, True])
def test_what_is_stored_already_is_known_by_its_values(connection: psycopg.Connection, trusting: bool) -> None:
    for stream in STREAMS.values():
        batch = batch_of(stream, 200, 0.3, seed=1)
        suspects = np.array(sorted(random.Random(1).sample(range(200), 80)))
        first = batch.take(suspects)
        with connection.transaction():
            store_readings(connection, first)
            outcome = store_trusting(connection, batch, suspects) if trusting else store_readings(connection, batch)
            stored = [[read_back(value) for value in row] for row in known_values(connection, batch).values()]
        assert np.flatnonzero(outcome.repeats.duplicate).tolist() == list(outcome.known) == first.device.tolist()
        assert not outcome.repeats.conflict.any()
        assert stored == expected_rows(batch)


def test_another_value_in_any_column_is_a_conflict(connection: psycopg.Connection) -> None:
    for stream in STREAMS.values():
        batch = batch_of(stream, 60, 0.3, seed=2)
        with connection.transaction():
            store_readings(connection, batch)
            for name, column in batch.columns.items():
                changed = replace(batch, columns=batch.columns | {name: np.roll(column, 1)})
                repeats = store_readings(connection, changed).repeats
                same = [one == other for one, other in zip(expected_rows(batch), expected_rows(changed), strict=True)]
                assert repeats.duplicate.tolist() == same
                assert repeats.conflict.tolist() == [not one for one in same]


def test_blocks_open_and_close_a_binary_copy() -> None:
    blocks = list(pack(batch_of(STREAMS["parking_bay"], 4, 0.5, seed=0)))
    assert blocks[0] == HEADER
    assert blocks[-1] == TRAILER


def test_rows_of_one_layout_are_one_block() -> None:
    assert len(list(pack(batch_of(STREAMS["energy_meter"], 1000, 0.0, seed=0)))) == 3
