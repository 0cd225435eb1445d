"""`cityvitals forecast`: files of many sorts in, figures out, one line where something is wrong."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from deploy.cli import main
from deploy.forecasting import stepped

START = datetime(2026, 3, 2, tzinfo=UTC)
WEEKS = 4


def load(hour: int, noise: np.random.Generator) -> float:
    return 50 + 20 * np.sin(2 * np.pi * hour / 24) - 15 * (hour // 24 % 7 >= 5) + noise.normal()


def written(folder: Path, form: str = "%Y-%m-%dT%H:%M:%SZ", name: str = "a.csv") -> Path:
    """Half-hourly values of two meters, one in a hundred missing."""
    noise, lines = np.random.default_rng(1), ["meter;time;kW;note"]
    for half in range(WEEKS * 7 * 48):
        at = (START + timedelta(minutes=30 * half)).strftime(form)
        for meter in ("north", "south"):
            value = "" if noise.random() < 0.01 else f"{load(half // 2, noise):.3f}"
            lines.append(f"{meter};{at};{value};ok")
    text = "\n".join(lines) + "\n"
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def test_every_series_of_a_file_is_tested_beside_the_naive_forecast(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path)
    line = f"forecast --csv {file} --time time --by meter --column kW --horizon 3h --json -"
    assert main(line.split()) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["series"] for entry in found["series"]] == ["north: kW", "south: kW"]
    for entry in found["series"]:
        assert entry["from"] == "2026-03-02T00:00:00+00:00"
        assert entry["model"]["mase"] < 1 < 1.5 > entry["seasonalNaiveWeek"]["mase"] > entry["model"]["mase"]
        assert len(entry["maseByStep"]) == 3
        assert 0.6 < entry["coverage"]["0.8"] < entry["coverage"]["0.95"] <= 1
        assert entry["compared"] == 3 * 168
    assert found["share"] == {"series": 2, "maseBelow1": 1.0, "betterThanSeasonalNaive": 1.0}


def test_a_table_is_printed_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, "%d/%m/%Y %H:%M", "b.csv.gz")
    arguments = ["forecast", "--csv", str(file), "--time", "time", "--time-format", "%d/%m/%Y %H:%M", "--by", "meter"]
    assert main([*arguments, "--column", "kW", "--step", "30m", "--json", str(tmp_path / "f.json")]) == 0
    text = capsys.readouterr().out
    assert "north: kW" in text
    assert "MASE < 1 in 100%" in text
    assert json.loads((tmp_path / "f.json").read_text())["stepSeconds"] == 1800


def test_steps_are_means_of_what_falls_into_them() -> None:
    first, values = stepped(np.array([7300.0, 3600.0, 3601.0, 14400.0]), np.array([4.0, 1.0, 2.0, np.nan]), 3600)
    assert first == 3600
    assert values.tolist() == [1.5, 4.0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--column kWh", "has no column 'kWh', it has meter, time, kW, note"),
        ("--column kW", "line 2: Invalid isoformat string: 'north'; the time must be"),
        ("--time time --step 7m", "--step is 0:07:00, must divide a day"),
        ("--time time --step 1h --horizon 90m", "--horizon is 1:30:00, must be a multiple of the step, 1:00:00"),
        ("--time time --horizon 2d", "--horizon is 2 days, 0:00:00, must be at most a day"),
        ("--time time --column note --by meter", "no value is a number"),
        ("--time time --column kW --by meter --holdout 27d", "history spans 0.8 days, must be at least 3"),
    ],
)
def test_what_cannot_be_done_is_said(
    options: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forecast", "--csv", str(written(tmp_path)), *options.split()]) == 1
    told = capsys.readouterr()
    assert says in " ".join((told.err + told.out).split())
