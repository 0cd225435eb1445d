"""Keyset cursors: where a page ended, as an opaque text that brings the next page without counting rows."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import orjson

MAX_LENGTH = 1024

Row = TypeVar("Row")


class CursorError(ValueError):
    """A cursor that no answer of this API ever contained."""


def encode(parts: Sequence[str | int]) -> str:
    """The cursor after a row with these key parts."""
    return base64.urlsafe_b64encode(orjson.dumps(list(parts))).rstrip(b"=").decode()


def decode(cursor: str, *shape: type[str] | type[int]) -> tuple[Any, ...]:
    """The key parts of a cursor, checked against their types; raises CursorError."""
    try:
        parts = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        parts = None
    if not isinstance(parts, list) or [type(part) for part in parts] != list(shape):
        raise CursorError("must be a `next` of an earlier page of the same list, unchanged")
    if any(type(part) is int and not -(2**63) <= part < 2**63 for part in parts) or "\x00" in str(parts):
        raise CursorError("must be a `next` of an earlier page of the same list, unchanged")
    return tuple(parts)


def page(
    rows: Sequence[Row], limit: int, key: Callable[[Row], Sequence[str | int]]
) -> tuple[Sequence[Row], str | None]:
    """Split what was fetched with ``limit + 1`` into a page and the cursor of the next, None at the end."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], encode(key(rows[limit - 1]))
