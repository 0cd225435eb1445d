"""Numbers for what is told by names, such as a route at a stop: the same in every process and for ever. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ingest.batch import Batch, Column
from processing import kernels


def number_names(batch: Batch, fields: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """A number of 64 bits for each reading that depends on nothing but these fields, and whether it has all names."""
    number, named = np.zeros(len(batch), np.uint64), np.ones(len(batch), np.bool_)
    for field in fields:
        texts = _texts(batch.columns[batch.stream.field_by_name[field].columns[0]])
        length = np.fromiter((-1 if text is None else len(text) for text in texts), np.int64, len(batch))
        points = "".join(text for text in texts if text is not None).encode("utf-32-le", "surrogatepass")
        kernels.number_texts(np.frombuffer(points, np.uint32), length, number)
        named &= length >= 0
    return number, named


def _texts(column: Column) -> list[str | None]:
    texts: list[str | None] = column.tolist()
    return texts if column.dtype == object else list(map(repr, texts))
