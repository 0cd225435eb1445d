"""The SQL that docs/methodology.md has for routes computes what ``processing.routes`` says of stored readings."""

import math

import numpy as np
import psycopg
import pytest
from processing_material import AREAS, EAST, FIRST, NOW, SECOND, SECOND_STREET, THIRD, batch, small_city, store

from processing.route_book import Window
from processing.route_store import read_book
from processing.routes import table_of
from tests.processing.test_against_sql import ask, queries
from tests.processing.test_routes import BUSES, EAST_PARTS, ROWS, readings

PARTS = {FIRST: (FIRST,), EAST: EAST_PARTS, THIRD: (THIRD,), 0: tuple(range(len(AREAS)))}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_queries_for_routes(database_url: str, seed: int) -> None:
    rows = readings(seed, {FIRST: ["r1", "r2"], SECOND_STREET: ["r2", "r3"], THIRD: ["r3"]})
    compared = dict.fromkeys((row.id for row in ROWS), 0)
    with psycopg.connect(database_url, autocommit=True) as connection:
        store(connection, BUSES, *(batch(stream, members) for stream, members in rows.items()))
        for at in (NOW, NOW - 17 * SECOND):
            book = read_book(connection, small_city(), ROWS, Window(at))
            for area, parts in PARTS.items():
                table = table_of(book, np.isin(np.arange(len(AREAS)), parts))
                ask(connection, AREAS[area], at)
                told = answers(connection)
                for place, route in enumerate(table.tree.routes):
                    for row in ROWS:
                        value = float(table.measures[row.id].own[1 + place])
                        expected = told.get((route, row.id))
                        assert (expected is None) == math.isnan(value), (row.id, route, at)
                        if expected is not None:
                            assert value == pytest.approx(expected, rel=1e-9, abs=1e-12), (row.id, route, at)
                            compared[row.id] += 1
    assert min(compared.values()) > 8


def answers(connection: psycopg.Connection) -> dict[tuple[str, str], float]:
    """What each query says, by route and indicator; without what is null."""
    found: dict[tuple[str, str], float] = {}
    for name in ("route.arrivals", "route.headways", "route.speed"):
        cursor = connection.execute(queries()[name].encode())
        columns = [column.name for column in cursor.description or ()]
        for route, *values in cursor:
            for column, value in zip(columns[1:], values, strict=True):
                if value is not None and route is not None:
                    found[route, f"transit.{column}"] = float(value)
    return found
