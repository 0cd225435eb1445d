"""The rehearsal leaves nothing to compile, and its made-up readings are of every stream."""

import os
import subprocess
import sys
from pathlib import Path

from devices.kinds import streams
from processing.rehearsal import NOW, made_readings

ROOT = Path(__file__).parents[2]


def test_a_city_needs_no_kernel_that_was_not_rehearsed() -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "rehearsed_city.py")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-4000:]


def test_made_readings_are_of_every_stream() -> None:
    batches = {batch.stream.name: len(batch) for batch in made_readings(100, NOW)}
    assert set(batches) == set(streams())
    assert all(batches.values())
