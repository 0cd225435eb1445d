"""What the tests of kernels share: small areas and devices, numbers of all sorts, and columns made of rows."""

import math
import os
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.processing import naive

JIT = os.environ.get("NUMBA_DISABLE_JIT") != "1"
EXAMPLES = 60 if JIT else 15
AREAS, DEVICES, PANES = 5, 6, 4
PARENTS = np.array([-1, 0, 0, 1, 1], np.int32)

labels = st.integers(-1, AREAS - 1)
slots = st.integers(-1, DEVICES - 1)
times = st.integers(0, 50)
numbers = st.one_of(
    st.floats(-1e6, 1e6), st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 2.0**40, 1e300, 5e-324, 0.1])
)


def ints(values: Any) -> np.ndarray:
    return np.array(values, np.int64)


def floats(values: Any) -> np.ndarray:
    return np.array(values, np.float64)


def marks(values: Any) -> np.ndarray:
    return np.array(values, np.int32)


def columns(rows: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def assert_same(partials: np.ndarray, expected: list[naive.Partial]) -> None:
    for record, plain in zip(partials, expected, strict=True):
        for name in ("count", "fresh", "excused", "reporting", "newest"):
            assert record[name] == getattr(plain, name), name
        tolerance = Fraction(2 * max(1, plain.count), 2**60)
        assert abs(exact(record["hi"], record["lo"]) - plain.total) <= tolerance
        assert abs(exact(record["per_hi"], record["per_lo"]) - plain.per_total) <= tolerance
        assert 0 <= record["lo"] < 2**50


def exact(hi: Any, lo: Any) -> Fraction:
    return Fraction(int(hi), 2**10) + Fraction(int(lo), 2**60)


def run_without_compilation(file: str) -> None:
    """Run the tests of a file on the plain Python of the kernels."""
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", file]
    result = subprocess.run(
        command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, timeout=560, check=False
    )
    assert result.returncode == 0, result.stdout[-3000:]
