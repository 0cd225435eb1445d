"""Every row of the table can be used, says where its numbers come from, and stands in docs/methodology.md as it is."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devices.kinds import kinds
from processing import method
from processing.expressions import Compare, Elapsed, Field, Magnitude, Occurs
from processing.indicators import DOMAINS, INDICATORS
from processing.method import GENERATION, Indicator, IndicatorError, check_table, kind_of, method_version, needs

METHODOLOGY = Path(__file__).parents[2] / "docs" / "methodology.md"
rows = pytest.mark.parametrize("row", INDICATORS, ids=lambda row: row.id)
by_id = {row.id: row for row in INDICATORS}


def section(row: Indicator) -> str:
    """The part of the document under the indicator's heading."""
    text = METHODOLOGY.read_text(encoding="utf-8")
    parts = re.split(r"^#{2,4} ", text, flags=re.MULTILINE)
    found = [part for part in parts if part.startswith(f"`{row.id}`")]
    assert len(found) == 1, f"docs/methodology.md must have one section headed `{row.id}`"
    return found[0]


def number(value: float) -> str:
    return f"{value:g}"


def test_the_table_can_be_used() -> None:
    check_table(INDICATORS, DOMAINS)


@rows
def test_a_row_is_named_in_both_languages_and_has_a_source(row: Indicator) -> None:
    assert row.name_zh
    assert row.name_en
    assert len(row.source) > 20
    assert kind_of(row) in kinds()


@rows
def test_the_document_has_a_section_with_every_number_of_the_row(row: Indicator) -> None:
    text = section(row).replace("−", "-")  # a typographic minus
    for value, score in row.goalposts:
        assert f"| {number(value)} | {number(score)} |" in text, (value, score)
    assert text.count("\n| ") - 1 == len(row.goalposts) or not row.goalposts, "a goalpost the table does not have"
    assert f"Unit: {row.unit}." in text
    assert f"Weight: {number(row.weight)}." in text
    assert row.source.replace("−", "-") in " ".join(text.split()), "the source, word for word"
    assert row.note in " ".join(text.split())
    if not row.aggregation.startswith("latest"):
        assert f"Window: {row.window} s." in text
    for bound in bounds(row.value):
        assert number(bound) in text


def bounds(expression: Any) -> list[float]:
    if isinstance(expression, Magnitude):
        return bounds(expression.of)
    if not isinstance(expression, Compare):
        return []
    given = (expression.at_least, expression.above, expression.below)
    return [bound for bound in given if bound is not None]


def test_the_document_names_every_rule_that_holds_for_all() -> None:
    text = METHODOLOGY.read_text(encoding="utf-8")
    for name in ("STALE_AFTER_INTERVALS", "SHORTEST_STALE", "FREQUENT_HEADWAY", "FLOOR", "SHORTEST_PANE"):
        assert f"`{name}` = {number(getattr(method, name))}" in text
    assert f"`PANES_PER_WINDOW` = {method.PANES_PER_WINDOW}" in text
    assert "`MINIMUM_COVERAGE` = 2/3" in text
    for domain in DOMAINS:
        assert f"`{domain.id}` | {domain.name_en} | {domain.name_zh} | {number(domain.weight)} |" in text


def test_the_document_has_no_section_of_an_indicator_that_is_gone() -> None:
    text = METHODOLOGY.read_text(encoding="utf-8")
    known = {domain.id for domain in DOMAINS}
    named = re.findall(r"^#{2,4} `([a-z_]+\.[a-z_0-9]+)`", text, flags=re.MULTILINE)
    assert {name for name in named if name.split(".")[0] in known} == set(by_id)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stream": "tram"}, "stream 'tram' must be one of bus, bus_arrival"),
        ({"id": "health.kerb"}, "begin with a domain of"),
        ({"goalposts": ((0.5, 1), (0.4, 2))}, "goalposts must rise in value"),
        ({"goalposts": ((0.5, 1), (0.6, 101))}, "score 0–100"),
        ({"goalposts": ()}, "weight is 2.0 with 0 goalposts"),
        ({"weight": -1.0}, "weight is -1.0"),
        ({"value": Field("occupied")}, "stream parking_bay has no field 'occupied'"),
        ({"per": Field("spots")}, "stream parking_bay has no field 'spots'"),
        ({"window": 5}, "window is 5 s, must be a multiple of 10 s"),
        ({"window": 5000}, "window is 5000 s, must be a multiple of 13 s"),
        ({"aggregation": "excess_wait"}, "excess_wait needs an Elapsed"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    row = replace(by_id["parking.kerb_occupancy"], **changes)
    with pytest.raises(IndicatorError, match=re.escape(f"indicator {row.id}") + ".*" + re.escape(message)):
        check_table([row], DOMAINS)


def test_an_excess_wait_names_fields_of_its_stream() -> None:
    row = replace(by_id["transit.excess_wait"], entity=("line",))
    with pytest.raises(IndicatorError, match="entity field 'line' must be one of route, trip, stop"):
        check_table([row], DOMAINS)


def test_a_row_may_not_come_twice() -> None:
    with pytest.raises(IndicatorError, match="must be unique"):
        check_table([INDICATORS[0], INDICATORS[0]], DOMAINS)


def test_what_a_device_must_be_equipped_with() -> None:
    assert needs(by_id["energy.adjustable_share"]) == (("adjustablePower",), ("totalActivePower",))
    assert needs(by_id["transit.on_time_share"]) == (("scheduledAt",), ("arrivedAt",))
    assert needs(by_id["waste.illegal_dumping"]) == (("violation", "stream", "confidence"),)
    assert needs(replace(by_id["parking.kerb_occupancy"], value=Occurs())) == ()


def test_the_version_of_the_method_moves_with_every_number_and_with_nothing_else() -> None:
    version = method_version(INDICATORS, DOMAINS)
    assert re.fullmatch(rf"{GENERATION}-[0-9a-f]{{8}}", version)
    assert method_version(list(INDICATORS), list(DOMAINS)) == version
    for changed in (
        {"goalposts": ((0.0, 1.0), (1.0, 2.0))},
        {"weight": 0.5},
        {"minimum_coverage": 0.5},
        {"value": Compare(Elapsed("scheduledAt", "arrivedAt"), below=1)},
    ):
        assert method_version([replace(INDICATORS[0], **changed), *INDICATORS[1:]], DOMAINS) != version
    assert method_version(INDICATORS, [replace(DOMAINS[0], weight=2.0), *DOMAINS[1:]]) != version


def test_two_processes_agree_on_the_version_of_the_method() -> None:
    code = (
        "from processing.indicators import *; from processing.method import method_version;"
        "print(method_version(INDICATORS, DOMAINS))"
    )
    for seed in ("1", "2"):
        result = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=METHODOLOGY.parents[1],
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout.strip() == method_version(INDICATORS, DOMAINS)
