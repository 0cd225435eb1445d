"""What is wrong with a reading or a message, in words."""

import json
from dataclasses import dataclass
from typing import Any

REASONS = (
    "syntax", "schema", "range", "clock", "unknown_kind", "unknown_device", "conflict", "too_large", "topic",
)  # fmt: skip


@dataclass(frozen=True)
class Flaw:
    """Why a reading was rejected: one of REASONS and a sentence naming field, value and what would be right."""

    reason: str
    detail: str


_as_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


def shown(value: Any) -> str:
    """A value as it goes into an error message: JSON, bounded."""
    try:
        text = _as_json(value)
    except (RecursionError, ValueError):
        return "a value nested too deeply to show"
    return text if len(text) <= 80 else text[:77] + "…"
