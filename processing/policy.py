"""A city's policy: the weights, goalposts, coverage and windows it lays over the shipped table of indicators. Pure.

    [domains.parking]
    weight = 2

    [indicators."parking.kerb_occupancy"]
    goalposts = [[0, 60], [0.6, 100], [0.8, 100], [1, 0]]

What a file does not name stays as shipped. Two policies with the same numbers have the same version.
"""

import difflib
import itertools
import json
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from processing.indicators import DOMAINS, INDICATORS
from processing.method import Domain, Indicator, IndicatorError, check_table, method_version

HEAVIEST = 1_000.0
LARGEST = 1e12
LONGEST_WINDOW = 7 * 86_400
LONGEST_TEXT = 2_000
LARGEST_FILE = 1_000_000
_INDICATOR_KEYS = ("weight", "goalposts", "minimum_coverage", "window", "source", "note")
_DOMAIN_KEYS = ("weight",)


class PolicyError(Exception):
    """A policy that cannot be used; each line of the message names a key, its value and what would be right."""


@dataclass(frozen=True)
class Policy:
    """A table of indicators and domains that can be used, and its version (``methodVersion``)."""

    indicators: tuple[Indicator, ...]
    domains: tuple[Domain, ...]
    version: str

    @classmethod
    def of(cls, indicators: Iterable[Indicator], domains: Iterable[Domain]) -> "Policy":
        """A policy from rows; raises PolicyError."""
        rows, sides = tuple(indicators), tuple(domains)
        try:
            check_table(rows, sides)
        except IndicatorError as error:
            raise PolicyError(str(error)) from None
        if not any(side.weight for side in sides):
            raise PolicyError("the weight of every domain is 0, must be more than 0 for at least one")
        return cls(rows, sides, method_version(rows, sides))


@dataclass(frozen=True)
class Change:
    """One number that differs; None where only the other policy has it."""

    path: str
    old: Any
    new: Any


SHIPPED = Policy.of(INDICATORS, DOMAINS)


def parse(text: str) -> Policy:
    """The policy that a TOML text makes of the shipped table.

    Raises PolicyError with one line for each thing that is wrong.
    """
    return changed(SHIPPED, read_tables(text))


def changed(policy: Policy, tables: Mapping[str, Mapping[str, Any]]) -> Policy:
    """A policy with what the tables ``domains`` and ``indicators`` say laid over it.

    Raises PolicyError with one line for each thing that is wrong.
    """
    rows = {row.id: row for row in policy.indicators}
    sides = {side.id: side for side in policy.domains}
    wrong: list[str] = []
    for section, known, keys in (("domains", sides, _DOMAIN_KEYS), ("indicators", rows, _INDICATOR_KEYS)):
        for name, values in tables[section].items():
            if name not in known:
                wrong.append(f"{_path(section, name)} is unknown, {_nearest(name, known)}")
                continue
            changes = _checked(_path(section, name), values, keys, wrong)
            if section == "domains":
                sides[name] = replace(sides[name], **changes)
            else:
                rows[name] = replace(rows[name], **changes)
    for row in rows.values():
        wrong += _misfits(row, tables["indicators"].get(row.id) or {})
    if wrong:
        raise PolicyError("\n".join(wrong))
    return Policy.of(rows.values(), sides.values())


def read_tables(text: str) -> dict[str, dict[str, Any]]:
    """The tables ``domains`` and ``indicators`` of a TOML text as they stand there; raises PolicyError."""
    if len(text) > LARGEST_FILE:
        raise PolicyError(f"the policy has {len(text)} characters, must have at most {LARGEST_FILE}")
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(f"the policy is not TOML: {error}") from None
    tables: dict[str, dict[str, Any]] = {"domains": {}, "indicators": {}}
    wrong = [
        f'{name} is unknown, must be a table [domains.…] or [indicators."…"]'
        for name in document.keys() - tables.keys()
    ]
    for section in tables:
        values = document.get(section, {})
        if not isinstance(values, dict):
            wrong.append(f"{section} is {_shown(values)}, must be a table such as [{section}.…]")
        else:
            tables[section] = _unquoted(values) if section == "indicators" else values
    if wrong:
        raise PolicyError("\n".join(sorted(wrong)))
    return tables


def write(policy: Policy) -> str:
    """The whole policy as commented TOML; ``parse`` makes the same policy of it."""
    lines = [f"# policy {policy.version}: what is left out stays as shipped", ""]
    for side in policy.domains:
        lines += [f"[domains.{_key(side.id)}]  # {side.name_zh} {side.name_en}", f"weight = {side.weight!r}", ""]
    for row in policy.indicators:
        lines += [
            f"[indicators.{_key(row.id)}]  # {row.name_zh} {row.name_en}, unit {row.unit}",
            f"weight = {row.weight!r}",
            f"goalposts = {[list(map(float, post)) for post in row.goalposts]}",
            f"minimum_coverage = {row.minimum_coverage!r}",
            *([f"window = {row.window}  # seconds"] if has_window(row) else []),
            f"source = {_quoted(row.source)}",
            *([f"note = {_quoted(row.note)}"] if row.note else []),
            "",
        ]
    return "\n".join(lines)


def differences(old: Policy, new: Policy) -> list[Change]:
    """What differs between two policies, in the order of the table."""
    return table_differences(read_tables(write(old)), read_tables(write(new)))


def table_differences(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> list[Change]:
    """What differs between two texts of ``write``, read by ``read_tables``."""
    before, after = _leaves(old), _leaves(new)
    paths = [*before, *(path for path in after if path not in before)]
    return [Change(p, before.get(p), after.get(p)) for p in paths if before.get(p) != after.get(p)]


def same_measures(one: Iterable[Indicator], other: Iterable[Indicator]) -> bool:
    """Whether two tables differ in weights, goalposts and coverage at most: what was measured serves both."""

    def measured(table: Iterable[Indicator]) -> list[Indicator]:
        return [replace(row, weight=0.0, goalposts=(), minimum_coverage=0.0, source="", note="") for row in table]

    return measured(one) == measured(other)


def has_window(row: Indicator) -> bool:
    """Whether an indicator looks back on a window, not on newest readings alone."""
    return not row.aggregation.startswith("latest")


def _leaves(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        f"{section}.{name}.{key}": value
        for section in ("domains", "indicators")
        for name, values in tables.get(section, {}).items()
        for key, value in values.items()
    }


def _unquoted(values: Mapping[str, Any]) -> dict[str, Any]:
    """``[indicators.parking.kerb_occupancy]``, as it is easily written, means the id with a dot."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        inner = value if "." not in name and isinstance(value, dict) else {}
        rows = {f"{name}.{part}": row for part, row in inner.items() if isinstance(row, dict)}
        flat |= rows or {name: value}
    return flat


def _checked(path: str, values: Any, keys: tuple[str, ...], wrong: list[str]) -> dict[str, Any]:
    """What a section changes; what is wrong of it is added to ``wrong``."""
    if not isinstance(values, dict):
        wrong.append(f"{path} is {_shown(values)}, must be a table")
        return {}
    changes: dict[str, Any] = {}
    for key, value in values.items():
        if key not in keys:
            wrong.append(f"{path}.{key} is unknown, {_nearest(key, keys)}")
            continue
        try:
            changes[key] = _CHECKS[key](value)
        except ValueError as error:
            wrong.append(f"{path}.{key} is {_shown(value)}, {error}")
    return changes


def _misfits(row: Indicator, said: Mapping[str, Any]) -> list[str]:
    """What is wrong with a row although each of its values alone would do."""
    path = _path("indicators", row.id)
    found = []
    if row.weight and not row.goalposts:
        found.append(f"{path}.weight is {row.weight:g}, must be 0 as long as the indicator has no goalposts")
    if "window" in said and not has_window(row):
        found.append(f"{path}.window is {_shown(said['window'])}, must be left out: newest readings have no window")
    return found


def _number(low: float, high: float, what: str) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError(f"must be {what}")
        return float(value) + 0.0  # -0.0 is 0.0

    return check


def _goalposts(value: Any) -> tuple[tuple[float, float], ...]:
    right = "must be a list of [value, score] such as [[0, 100], [0.25, 0]]"
    if not isinstance(value, list) or any(not isinstance(post, list) or len(post) != 2 for post in value):
        raise ValueError(right)
    if len(value) == 1:
        raise ValueError(f"{right}: at least two, or none for an indicator without a score")
    try:
        posts = tuple((_ANY(at), _SCORE(score)) for at, score in value)
    except ValueError as error:
        raise ValueError(f"{right}; each number {error}") from None
    if any(after[0] <= before[0] for before, after in itertools.pairwise(posts)):
        raise ValueError(f"{right} whose values rise from each to the next")
    return posts


def _window(value: Any) -> int:
    if type(value) is not int or not 10 <= value <= LONGEST_WINDOW:
        raise ValueError(f"must be a whole number of seconds from 10 to {LONGEST_WINDOW}")
    return value


def _words(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\x00" in value:
        raise ValueError(f"must be a text of at most {LONGEST_TEXT} characters")
    return value


_ANY = _number(-LARGEST, LARGEST, f"a value from {-LARGEST:g} to {LARGEST:g}, or a score from 0 to 100")
_SCORE = _number(0.0, 100.0, "a score from 0 to 100")
_CHECKS: dict[str, Callable[[Any], Any]] = {
    "weight": _number(0.0, HEAVIEST, f"a number from 0 to {HEAVIEST:g}"),
    "goalposts": _goalposts,
    "minimum_coverage": _number(0.0, 1.0, "a number from 0 to 1"),
    "window": _window,
    "source": _words,
    "note": _words,
}


def _path(section: str, name: str) -> str:
    return f"{section}.{_key(name)}"


def _key(name: str) -> str:
    return name if name.replace("_", "").isalnum() and name.isascii() else _quoted(name)


def _quoted(text: str) -> str:
    """A TOML string: JSON's escapes are among TOML's, but TOML forbids the character DEL as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, 1, 0.75)
    return f"did you mean {near[0]}?" if near else f"must be one of {', '.join(names)}"


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, float) and not math.isfinite(value) else json.dumps(value, default=str)
    return text if len(text) <= 80 else f"{text[:79]}…"
