"""What places in stored arrays mean: the areas and the reasons of the time. A city's list of areas may change."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import numpy as np
import psycopg
from numpy.typing import NDArray

from processing.scoring import REASONS


def legend_of(connection: psycopg.Connection, areas: Sequence[str]) -> int:
    """The id of the legend of these areas and today's reasons; it is made if there is none."""
    digest = sha256(repr((tuple(areas), REASONS)).encode()).digest()
    row = connection.execute("SELECT id FROM legends WHERE digest = %s", [digest]).fetchone()
    if row is not None:
        return int(row[0])
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO legends (areas, reasons, digest) VALUES (%s, %s, %s) ON CONFLICT (digest)"
            " DO UPDATE SET digest = excluded.digest RETURNING id",
            [list(areas), list(REASONS), digest],
        ).fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO legend_areas SELECT %s, a.place - 1, a.area"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS a (area, place) ON CONFLICT DO NOTHING",
            [row[0], list(areas)],
        )
    return int(row[0])


def places_of(connection: psycopg.Connection, areas: Sequence[str]) -> Mapping[int, NDArray[np.int16]]:
    """For every legend but that of ``areas`` as they are: the place among ``areas`` of each of its own, -1 = none.

    Reasons keep their codes for ever, new ones are added behind them.
    """
    label_of = {area: label for label, area in enumerate(areas)}
    rows = connection.execute("SELECT id, areas FROM legends")
    return {
        legend: np.array([label_of.get(area, -1) for area in known], np.int16)
        for legend, known in rows
        if list(known) != list(areas)
    }
