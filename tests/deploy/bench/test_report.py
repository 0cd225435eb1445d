"""What the measured part of the document says of given results."""

from typing import Any

import pytest

from deploy.bench.report import BEGIN, END, measured, merged, placed
from deploy.bench.results import Result, Target
from deploy.errors import DeployError


def _found(*results: Result, scale: float = 1.0, errors: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "machine": {
            "processor": "P", "cores": 2, "memoryMegabytes": 8192, "system": "Linux-6-with-x", "python": "3",
            "numpy": "2", "load": [0.1, 0, 0],
        },
        "at": "2026-11-20T08:00:00+00:00",
        "rounds": 3,
        "scale": scale,
        "seconds": {"singles": 90.0},
        "errors": errors or {},
        "results": [result.as_json() for result in results],
    }  # fmt: skip


def _singles(*ours: float, setting: str = "5 messages") -> Result:
    target = Target("cityvitals", "limit", at_least=0.65)
    return Result(
        "singles", setting, "readings/s", {"cityvitals": [*ours], "limit": [10.0] * len(ours)}, [target], ["a note"]
    )


def test_of_the_same_setting_the_last_file_counts_and_others_are_kept() -> None:
    packs = Result("packs", "x", "u", {"cityvitals": [1.0]})
    found = [_found(packs, _singles(1.0)), _found(_singles(2.0), _singles(3.0, setting="other"))]
    results = [(result["benchmark"], result["setting"], result["medians"]["cityvitals"]) for result in merged(found)]
    assert results == [("singles", "5 messages", 2.0), ("singles", "other", 3.0), ("packs", "x", 1.0)]


def test_targets_medians_spread_notes_and_failures_are_told() -> None:
    result = _singles(5.0, 7.0, 6.0)
    result.failed["peer"] = "no npm"
    found = [_found(result, errors={"packs": "the broker ended"})]
    text = measured(found, merged(found))
    assert "| singles, 5 messages | cityvitals / limit | ≥ 0.65 | 0.6 (0.5 … 0.7) | **not met** |" in text
    assert "| 5 messages | 6 <sub>5 … 7</sub> | 10 <sub>10 … 10</sub> |" in text
    assert "- a note" in text
    assert "- peer did not take part: no npm" in text
    assert "`packs` failed: the broker ended" in text
    assert "![Single readings](pictures/performance/singles.svg)" in text


def test_a_part_of_the_data_is_told() -> None:
    found = [_found(_singles(1.0), scale=0.1)]
    assert "0.1 of the full amount of data" in measured(found, merged(found))


def test_only_what_is_between_the_marks_changes() -> None:
    assert placed(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new") == f"before\n{BEGIN}\n\nnew\n{END}\nafter\n"


@pytest.mark.parametrize("document", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_document_without_its_marks_is_refused(document: str) -> None:
    with pytest.raises(DeployError, match="must hold the line"):
        placed(document, "new")
