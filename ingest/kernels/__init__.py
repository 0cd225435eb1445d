"""Compiled loops over the bytes of payloads: JSON texts in, numpy columns out; no project layer is imported here.

Texts lie in one buffer of bytes, each followed by a zero byte. No JSON holds one, so that every loop ends there without
asking where it is. A position of -1 says that the text is not understood; it may still be right.
"""

import hashlib
import os
from pathlib import Path

from numba import config

_THEIRS = str(getattr(config, "CACHE_DIR", ""))


def _folder() -> str:
    """Where compiled code is kept: a folder named after all files of this package, whoever else names one before.

    numba compiles a function anew when its own file changes, not when one that it calls from another file does.
    """
    here = Path(__file__).parent
    digest = hashlib.blake2b(b"".join(file.read_bytes() for file in sorted(here.glob("*.py"))), digest_size=6)
    base = Path(os.environ.get("NUMBA_CACHE_DIR") or here / "__pycache__")
    writable = os.access(base if base.exists() else base.parent, os.W_OK)
    return str(base / f"scan-{digest.hexdigest()}") if writable else _THEIRS


config.CACHE_DIR = _folder()  # type: ignore[attr-defined]  # it is asked for when a function is made
try:
    from ingest.kernels.scan import (
        BOOLEAN,
        CHOICE,
        DEVICE,
        INSTANT,
        INTEGER,
        ITEM,
        KEY,
        LABEL,
        NAMED,
        NAMED_AT,
        NUMBER,
        OTHERS,
        PAYLOAD,
        POINT,
        RECEIVED,
        SEQ,
        SOURCE,
        SPEC,
        TIME,
        Layout,
        Limits,
        Payloads,
        Rows,
        count_braces,
        scan,
    )
    from ingest.kernels.texts import (
        DEVICE_KEY,
        ENTRY,
        LOW_BITS,
        NAME_START,
        OWNER_HIGH,
        OWNER_LOW,
        Spoken,
        enter,
        intern,
    )
    from ingest.kernels.texts import EMPTY as EMPTY_SLOT
finally:
    config.CACHE_DIR = _THEIRS  # type: ignore[attr-defined]

__all__ = [
    "BOOLEAN",
    "CHOICE",
    "DEVICE",
    "DEVICE_KEY",
    "EMPTY_SLOT",
    "ENTRY",
    "INSTANT",
    "INTEGER",
    "ITEM",
    "KEY",
    "LABEL",
    "LOW_BITS",
    "NAMED",
    "NAMED_AT",
    "NAME_START",
    "NUMBER",
    "OTHERS",
    "OWNER_HIGH",
    "OWNER_LOW",
    "PAYLOAD",
    "POINT",
    "RECEIVED",
    "SEQ",
    "SOURCE",
    "SPEC",
    "TIME",
    "Layout",
    "Limits",
    "Payloads",
    "Rows",
    "Spoken",
    "count_braces",
    "enter",
    "intern",
    "scan",
]
