"""GeoJSON Points, by the rules of ``devices.units.parse_point``."""

import numpy as np

from ingest.kernels.tokens import Numbers, Text, byte, inner, number, says, skip_blank

_TYPE = np.frombuffer(b"type", np.uint8)
_COORDINATES = np.frombuffer(b"coordinates", np.uint8)
_POINT_WORD = np.frombuffer(b'"Point"', np.uint8)


@inner
def point(text: Text, at: int, column: int, numbers: Numbers, row: int) -> int:
    """Read a GeoJSON Point of two coordinates or three; returns its end."""
    if byte(text, at) != 123:
        return -1
    typed, placed = False, False
    while True:
        at = skip_blank(text, at + 1)
        if byte(text, at) != 34:
            return -1
        is_type = byte(text, at + 1) == 116
        word = _TYPE if is_type else _COORDINATES
        end = at + 1 + len(word)
        if not says(text, at + 1, word, 0, len(word)) or byte(text, end) != 34:
            return -1
        at = skip_blank(text, end + 1)
        if byte(text, at) != 58:
            return -1
        at = skip_blank(text, at + 1)
        if is_type:
            typed = says(text, at, _POINT_WORD, 0, len(_POINT_WORD))
            at = at + len(_POINT_WORD) if typed else -1
        else:
            at = _coordinates(text, at, column, numbers, row)
            placed = True
        if at < 0:
            return -1
        at = skip_blank(text, at)
        if byte(text, at) == 125:
            return at + 1 if typed and placed else -1
        if byte(text, at) != 44:
            return -1


@inner
def _coordinates(text: Text, at: int, column: int, numbers: Numbers, row: int) -> int:
    """Read longitude and latitude; a height is skipped. Returns the end."""
    if byte(text, at) != 91:
        return -1
    count = 0
    while True:
        at, _, _, value = number(text, skip_blank(text, at + 1))
        if at < 0 or count > 2:
            return -1
        if count < 2:
            numbers[column + count, row] = value
            if abs(value) > (180.0 if count == 0 else 90.0):
                return -1
        count += 1
        at = skip_blank(text, at)
        if byte(text, at) == 93:
            return at + 1 if count >= 2 else -1
        if byte(text, at) != 44:
            return -1
