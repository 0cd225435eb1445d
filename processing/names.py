"""Numbers for what is told by names, such as a route at a stop: the same in every process and for ever. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ingest.batch import Batch
from ingest.labels import Codes, Texts, code_labels
from processing import kernels


def number_names(batch: Batch, fields: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """A number of 64 bits for each reading that depends on nothing but these fields, and whether it has all names."""
    number, named = np.zeros(len(batch), np.uint64), np.ones(len(batch), np.bool_)
    for field in fields:
        codes, texts = _labels(batch, batch.stream.field_by_name[field].columns[0])
        points = "".join(texts).encode("utf-32-le", "surrogatepass")
        ends = np.cumsum([0, *map(len, texts)])
        kernels.number_labels(np.frombuffer(points, np.uint32), ends, codes, number)
        named &= codes >= 0
    return number, named


def _labels(batch: Batch, column: str) -> tuple[Codes, Texts]:
    """A column of labels; any other as if its values were labels."""
    values = batch.columns[column]
    return (values, batch.texts[column]) if column in batch.texts else code_labels(map(repr, values.tolist()))
