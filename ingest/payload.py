"""Take a payload apart into JSON values, and find the text of one item of a pack again; pure."""

import contextlib
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import orjson

from devices.contract import Flaw

MAX_PAYLOAD = 1_048_576
MAX_PACK = 30_000
"""readings in a pack; as many good ones would not fit into a payload, and bad ones cost a row of the rejects each"""
MAX_BRACKETS = 100_000
"""lists and objects in a payload: several times what good readings of that size need"""
ALONE = -1
"""the position of a value that came without a pack around it"""

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]')


def read_value(payload: bytes) -> Any:
    """The JSON value of a payload, a list for a pack; a Flaw when it is none."""
    flaw = size_flaw(payload)
    if flaw is not None:
        return flaw
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        value = _with_wild_numbers(payload, str(error))
        if value is None:
            return Flaw("syntax", f"the payload is not JSON: {error}")
    if value == []:
        return Flaw("schema", "the pack is empty, must hold at least one reading")
    if isinstance(value, list) and len(value) > MAX_PACK:
        return Flaw("too_large", f"the pack holds {len(value)} readings, must hold at most {MAX_PACK}")
    return value


def size_flaw(payload: bytes) -> Flaw | None:
    """Why a payload is too large to be looked at; None if it is not."""
    if len(payload) > MAX_PAYLOAD:
        return Flaw("too_large", f"the payload has {len(payload)} bytes, must be at most {MAX_PAYLOAD}")
    if len(payload) > MAX_BRACKETS:
        opened = payload.count(b"[") + payload.count(b"{")
        if opened > MAX_BRACKETS:
            return Flaw("too_large", f"the payload opens {opened} lists and objects, must be at most {MAX_BRACKETS}")
    return None


def _with_wild_numbers(payload: bytes, error: str) -> Any:
    """The value of a payload that is JSON but for NaN, Infinity or numbers beyond a double; None when it is not.

    Many encoders write NaN by default. Read like this, it costs the reading it is in and not its whole pack.
    """
    if not (b"NaN" in payload or b"Infinity" in payload or "infinity" in error):
        return None
    try:
        value = json.loads(payload.decode())
        json.dumps(value, ensure_ascii=False).encode()  # refuses half a surrogate pair, which no text can hold
    except (ValueError, RecursionError):
        return None
    return value


def items_of(value: Any) -> Iterable[tuple[int, Any]]:
    """What a decoded payload holds, each with its position in the pack or ALONE."""
    return enumerate(value) if isinstance(value, list) else ((ALONE, value),)


def item_value(payload: bytes, item: int) -> Any:
    """The value at a position of a payload that was decoded before."""
    value = _value(payload)
    return value if item == ALONE else value[item]


@lru_cache(maxsize=4)
def _value(payload: bytes) -> Any:
    return read_value(payload)


def item_text(payload: bytes, item: int, value: Any) -> bytes:
    """JSON of the item at a position of a pack, so that it can be sent again alone; of ALONE the whole payload.

    ``value`` is the item as decoded: writing it out again is quick but fails where it is nested deeply, and would turn
    a number that is none into null.
    """
    if item == ALONE:
        return payload
    if _is_strict(payload):
        with contextlib.suppress(orjson.JSONEncodeError):
            return orjson.dumps(value)
    return _item_texts(payload)[item]


@lru_cache(maxsize=4)
def _is_strict(payload: bytes) -> bool:
    try:
        orjson.loads(payload)
    except orjson.JSONDecodeError:
        return False
    return True


@lru_cache(maxsize=4)
def _item_texts(pack: bytes) -> list[bytes]:
    """Cut a valid JSON array into the texts of its items."""
    texts, depth, start = [], 0, 0
    for token in _TOKEN.finditer(pack):
        sign = token[0]
        if sign in b"[{":
            depth += 1
            if depth == 1:
                start = token.end()
        elif sign in b"]}" or (sign == b"," and depth == 1):
            if depth == 1:
                texts.append(pack[start : token.start()].strip())
                start = token.end()
            depth -= sign in b"]}"
    return texts
