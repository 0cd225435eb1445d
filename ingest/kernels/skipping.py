"""Values of fields that nobody knows: passed over, but only if they are JSON."""

from typing import Any

import numpy as np

from ingest.kernels.tokens import Text, byte, inner, literal, number, skip_blank, string_end

_DEEPEST = 60


@inner
def skip(text: Text, at: int) -> int:
    """The end of a value that nobody asked for; what is nested more than _DEEPEST times is not looked at."""
    depth, objects = 0, np.int64(0)  # a bit for each list or object around, the innermost last; 1 = object
    while True:
        if byte(text, at) == 123 or byte(text, at) == 91:
            is_object = byte(text, at) == 123
            within = skip_blank(text, at + 1)
            if byte(text, within) != (125 if is_object else 93):
                if depth == _DEEPEST:
                    return -1
                depth, objects = depth + 1, 2 * objects + is_object
                at = _past_name(text, within) if is_object else within
                if at < 0:
                    return -1
                continue
            at = within + 1
        else:
            at = _simple_end(text, at)
        while depth > 0 and at >= 0:
            at = skip_blank(text, at)
            is_object = objects & 1 == 1
            if byte(text, at) == 44:
                at = skip_blank(text, at + 1)
                at = _past_name(text, at) if is_object else at
                break
            if byte(text, at) != (125 if is_object else 93):
                return -1
            at += 1
            depth, objects = depth - 1, objects >> 1
        if depth == 0 or at < 0:
            return at


@inner
def _past_name(text: Text, at: int) -> int:
    """Where the value of a field begins whose name begins at ``at``."""
    if byte(text, at) != 34:
        return -1
    end = string_end(text, at + 1)
    if end < 0:
        return -1
    at = skip_blank(text, end + 1)
    return skip_blank(text, at + 1) if byte(text, at) == 58 else -1


@inner
def _simple_end(text: Text, at: int) -> Any:
    """The end of a text, a number or a word."""
    if byte(text, at) == 34:
        end = string_end(text, at + 1)
        return end + 1 if end >= 0 else -1
    if byte(text, at) == 45 or 48 <= byte(text, at) <= 57:
        return number(text, at)[0]
    return literal(text, at)[0]
