"""Whom speakers mean by a name is found again, in little memory."""

import numpy as np
import pytest

from ingest import kernels
from ingest.kernels.texts import find
from ingest.speakers import SpokenNames


def sought(spoken: SpokenNames, speaker: int, name: bytes) -> int:
    table, text = spoken.table, np.frombuffer(name + b'"', np.uint8)
    key: int = find(text, 0, len(name), speaker, table.slots, table.entries, table.names, table.seed)
    return key


@pytest.mark.parametrize("first_speaker", [0, 2**31 - 3, 2**40])
def test_a_name_leads_to_the_device_that_its_speaker_means(first_speaker: int) -> None:
    spoken = SpokenNames()
    known = [(first_speaker + n % 7, f"bay-{n // 7}".encode() * (1 + n % 3), n) for n in range(10_000)]
    for start in range(0, len(known), 137):
        spoken.add(known[start : start + 137])
    assert [sought(spoken, speaker, name) for speaker, name, _ in known] == [key for _, _, key in known]
    assert sought(spoken, first_speaker + 7, b"bay-0") == -1
    assert sought(spoken, first_speaker + 2**31, b"bay-0") == -1
    assert sought(spoken, first_speaker, b"bay-") == -1
    spoken.clear()
    assert sought(spoken, *known[0][:2]) == -1


def test_a_hundred_thousand_names_take_less_than_forty_bytes_each_and_their_own() -> None:
    spoken, names = SpokenNames(), [f"meter-{n}".encode() for n in range(100_000)]
    for start in range(0, len(names), 1_000):
        spoken.add([(n // 100, name, n) for n, name in enumerate(names[start : start + 1_000], start)])
    arrays = spoken.table.slots, spoken.table.entries, spoken.table.names
    assert sum(array.nbytes for array in arrays) < 40 * len(names) + sum(map(len, names))
    assert 2 * len(spoken.table.slots) > 3 * (len(spoken.table.entries) - 1)
    assert spoken.table.entries.shape[1] == kernels.ENTRY
