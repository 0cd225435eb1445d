"""Texts of a column: each once, and for each reading which of them it says. Pure."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
"""place among the texts, -1 = missing"""
Texts = tuple[str, ...]
"""different ones; some may be said by no reading"""


def code_labels(labels: Iterable[str | None]) -> tuple[Codes, Texts]:
    """The codes of some labels, None = missing, and the texts in the order they come first."""
    places: dict[str, int] = {}
    found = [-1 if label is None else places.setdefault(label, len(places)) for label in labels]
    return np.array(found, np.int32), tuple(places)


def say_labels(codes: Codes, texts: Texts) -> list[str | None]:
    """What the codes stand for."""
    labels: list[str | None] = np.array([*texts, None], object)[codes].tolist()
    return labels


def join_labels(parts: Sequence[tuple[Codes, Texts]]) -> tuple[Codes, Texts]:
    """One column after the other."""
    places: dict[str, int] = {}
    codes = []
    for own, texts in parts:
        new = np.array([*(places.setdefault(text, len(places)) for text in texts), -1], np.int32)
        codes.append(new[own])
    return np.concatenate(codes), tuple(places)
