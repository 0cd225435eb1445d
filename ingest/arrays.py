"""Numpy columns as array parameters of a query, in PostgreSQL's binary format: psycopg takes a list item by item."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import pq
from psycopg.adapt import Dumper

from ingest.packing import POSTGRES_EPOCH

_BIGINT, _BIGINT_ARRAY = 20, 1016
_TIMESTAMPTZ, _TIMESTAMPTZ_ARRAY = 1184, 1185
_HEADER = struct.Struct(">iiIii")
"""dimensions, whether there are nulls, type of the elements, length, index of the first"""


@dataclass(frozen=True)
class Integers:
    """A ``bigint[]``."""

    values: NDArray[Any]


@dataclass(frozen=True)
class Instants:
    """A ``timestamptz[]``, from microseconds since 1970."""

    micros: NDArray[np.int64]


def pack_array(values: NDArray[Any], element: int) -> bytes:
    """One dimension of 64-bit values without nulls; ``element`` is the oid of their type."""
    if not len(values):
        return struct.pack(">iiI", 0, 0, element)
    items = np.empty(len(values), [("length", ">i4"), ("value", ">i8")])
    items["length"], items["value"] = 8, values
    return _HEADER.pack(1, 0, element, len(values), 1) + items.tobytes()


class _IntegersDumper(Dumper):
    format = pq.Format.BINARY
    oid = _BIGINT_ARRAY

    def dump(self, obj: Integers) -> bytes:
        return pack_array(obj.values, _BIGINT)


class _InstantsDumper(Dumper):
    format = pq.Format.BINARY
    oid = _TIMESTAMPTZ_ARRAY

    def dump(self, obj: Instants) -> bytes:
        return pack_array(obj.micros - POSTGRES_EPOCH, _TIMESTAMPTZ)


psycopg.adapters.register_dumper(Integers, _IntegersDumper)
psycopg.adapters.register_dumper(Instants, _InstantsDumper)
