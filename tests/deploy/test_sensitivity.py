"""`cityvitals sensitivity` on stored vital signs of three districts."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import psycopg
import pytest
from vitals_material import say

from deploy.cli import main

EIGHT = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
DISTRICTS = ("310101", "310104", "310105")
SHARES = {
    "waste.overflow_share": (1, 12, 30),
    "parking.kerb_occupancy": (70, 90, 50),
    "transit.on_time_share": (93, 80, 60),
}


@pytest.fixture
def city(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three minutes of three districts, each indicator at another hundredth."""
    monkeypatch.setenv("CITYVITALS_DATABASE_URL", database_url)
    with psycopg.connect(database_url) as connection:
        for minute in range(3):
            at = EIGHT + timedelta(minutes=minute)
            say(connection, "310000", "composite", at, 80)
            for place, district in enumerate(DISTRICTS):
                for index, hundredths in SHARES.items():
                    say(connection, district, index, at, hundredths[place])


@pytest.mark.usefixtures("city")
@pytest.mark.parametrize("span", [[], ["--from", "2026-11-20T08:00:00+08:00", "--to", "2026-11-20T08:02:00+08:00"]])
def test_ranks_are_told_as_table_json_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], span: list[str]
) -> None:
    outcome, drawing = tmp_path / "out.json", tmp_path / "out.svg"
    line = ["sensitivity", "--samples", "200", "--json", str(outcome), "--picture", str(drawing), "--markdown", *span]
    assert main(line) == 0
    table = capsys.readouterr().out.splitlines()
    told = json.loads(outcome.read_text())
    assert [row["area"] for row in told["areas"]] == list(DISTRICTS)
    assert [row["rank"] for row in told["areas"]] == [1, 2, 3]
    assert told["areas"][0]["amongBest"] == 1
    assert (told["samples"], told["instants"]) == (200, 3 if span else 1)
    assert {effect["inputs"] for effect in told["effects"]} >= {"weights of the domains", "goalposts of parking"}
    assert table[2].startswith("| Huangpu | ")
    texts = [node.text for node in ElementTree.parse(drawing).iter("{http://www.w3.org/2000/svg}text")]
    assert {"Huangpu", "Xuhui", "Changning"} <= set(texts)


@pytest.mark.usefixtures("city")
def test_the_same_seed_gives_the_same_picture(tmp_path: Path) -> None:
    files = [tmp_path / "one.svg", tmp_path / "other.svg"]
    for file in files:
        assert main(["sensitivity", "--samples", "100", "--seed", "5", "--picture", str(file), "--markdown"]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.usefixtures("city")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--at", "yesterday"], "--at is 'yesterday'"),
        (["--at", "2026-11-20T07:00:00+08:00"], "no final vital signs are stored in that time"),
        (["--from", "2026-11-20T08:00:00+08:00"], "--from and --to belong together"),
        (["--goalposts", "0.7"], "goalposts 0.7, must be 0 to below 0.5"),
        (["--samples", "3"], "--samples is 3, must be at least 20"),
        (["--json", "/nowhere/out.json"], "cannot write /nowhere/out.json"),
        (["--policy", "/nowhere.toml"], "--policy /nowhere.toml"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert main(["sensitivity", *options]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
