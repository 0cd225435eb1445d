"""Replays keep distances in time, whatever the speed; the bundled traces come out row by row."""

import csv
import gzip
import io
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording_material import NOW, readings

from devices.city import City
from devices.recording.catalogue import TRACES, bundled, locate
from devices.recording.format import TraceError, parse_trace
from devices.recording.schedule import least_gap, median_gap, schedule
from devices.replay import open_trace, parse_speed
from devices.units import parse_instant

MINUTE = 60_000_000


def test_the_clock_scales_distances_and_starts_now() -> None:
    clock = schedule(1000, 1000 + 10 * MINUTE, MINUTE, NOW, 60.0)
    assert [clock(1000 + i * MINUTE) - NOW for i in range(4)] == [0, 1_000_000, 2_000_000, 3_000_000]
    assert schedule(0, MINUTE, MINUTE, NOW, 0.5)(MINUTE) == NOW + 2 * MINUTE


def test_a_speed_that_would_merge_times_is_refused_with_the_largest_that_works() -> None:
    with pytest.raises(TraceError, match=r"0\.001 s apart .* the largest speed that keeps them apart is 1000"):
        schedule(0, MINUTE, 1000, NOW, 1001.0)
    clock = schedule(0, MINUTE, 1000, NOW, 1000.0)
    assert len({clock(i * 1000) for i in range(1000)}) == 1000


@given(
    gaps=st.lists(st.integers(1, 10**9), min_size=1, max_size=50),
    share=st.floats(0.001, 1.0),
)
def test_different_times_stay_different_at_every_speed_that_is_accepted(gaps: list[int], share: float) -> None:
    times = [sum(gaps[:i]) for i in range(len(gaps) + 1)]
    for speed in ("max", min(gaps) * share):
        clock = schedule(times[0], times[-1], min(gaps), NOW, speed)  # type: ignore[arg-type] # a list of both sorts
        moved = [clock(time) for time in times]
        assert moved == sorted(set(moved))
        if speed == "max":
            assert moved[-1] <= NOW


def test_max_squeezes_the_trace_into_the_last_minute() -> None:
    clock = schedule(0, 1000 * MINUTE, MINUTE, NOW, "max")
    assert (clock(0), clock(500 * MINUTE), clock(1000 * MINUTE)) == (NOW - MINUTE, NOW - MINUTE // 2, NOW)
    short = schedule(0, 1_000_000, 1000, NOW, "max")
    assert (short(0), short(1_000_000)) == (NOW - 1_000_000, NOW)
    with pytest.raises(TraceError, match="89 days"):
        schedule(0, 10**14, 1, NOW, "max")


def test_gaps() -> None:
    assert least_gap([[5, 1, 1, 9], [20], []]) == 4
    assert least_gap([[1, 1], [2]]) is None
    assert median_gap([0, 1_000_000, 1_000_000, 4_000_000]) == 2.0
    assert median_gap([7]) is None


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", ""])
def test_a_speed_is_a_number_or_max(text: str) -> None:
    assert parse_speed("max") == "max"
    assert parse_speed("3600") == 3600.0
    with pytest.raises(TraceError, match="must be a number above 0"):
        parse_speed(text)


@pytest.mark.parametrize("name", bundled())
def test_every_bundled_mapping_is_valid(name: str) -> None:
    trace = parse_trace((TRACES / name / "trace.toml").read_text(encoding="utf-8"), name)
    assert trace.title
    assert trace.attribution


def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(io.StringIO(file.read())))


def test_birmingham_is_replayed_row_by_row(city: City) -> None:
    recording, _ = open_trace("parking-birmingham", city)
    london = ZoneInfo("Europe/London")
    expected = Counter(
        (
            row["SystemCodeNumber"],
            int(datetime.strptime(row["LastUpdated"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=london).timestamp()),
            int(row["Capacity"]),
            int(row["Occupancy"]),
        )
        for row in rows_of(TRACES / "parking-birmingham" / "parking_birmingham.csv.gz")
    )
    found = Counter(
        (r["device"], parse_instant(r["dateObserved"]) // 1_000_000, r["totalSpotNumber"], r["occupiedSpotNumber"])
        for r in readings(recording)
    )
    assert found == expected
    assert recording.tally.skipped == {}


def test_cambridge_takes_zero_for_missing_and_keeps_the_mean(city: City) -> None:
    recording, _ = open_trace("energy-cambridge", city)
    rows = rows_of(TRACES / "energy-cambridge" / "electricity-2019.csv.gz")
    values = [float(row["equipment load [kWh]"]) for row in rows]
    expected = [value for value in values if value != 0]
    found = [r["totalActivePower"] for r in readings(recording)]
    assert sorted(found) == sorted(expected)
    assert recording.tally.skipped == {"empty": len(values) - len(expected)}


def test_edinburgh_is_turned_round_and_converted(city: City) -> None:
    recording, located = open_trace(TRACES / "bins-edinburgh", city)
    found = readings(recording)
    assert located.folder == TRACES / "bins-edinburgh"
    assert len(found) == 6532
    assert len(recording.devices) == 334
    assert [r["dateObserved"] for r in found] == sorted(r["dateObserved"] for r in found)
    assert all(0 <= r["fillingLevelResidual"] <= 1 for r in found)
    last = datetime(2016, 7, 20, 22, 38, 13, tzinfo=UTC)
    assert parse_instant(found[-1]["dateObserved"]) == int(last.timestamp()) * 1_000_000


def test_a_folder_without_a_trace_toml_gets_the_mapping_that_fits(tmp_path: Path) -> None:
    named, alike, other = tmp_path / "parking-birmingham", tmp_path / "download", tmp_path / "other"
    for folder in (named, alike, other):
        folder.mkdir()
    (named / "anything.csv").touch()
    (alike / "household_power_1min.csv.gz").touch()
    (other / "unknown.csv").touch()
    assert locate(named).map_file == TRACES / "parking-birmingham" / "trace.toml"
    assert "its files fit the mapping energy-household-1min" in locate(alike).remark
    with pytest.raises(TraceError, match="fits none of the bundled ones"):
        locate(other)
    mapping = TRACES / "bins-edinburgh" / "trace.toml"
    assert locate(other, mapping).map_file == mapping


def test_names_that_lead_nowhere_are_explained(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="'nosuch' is neither a folder nor one of: bins-edinburgh"):
        locate("nosuch")
    with pytest.raises(TraceError, match="comes without its data"):
        locate("bus-capmetro")
    with pytest.raises(TraceError, match=r"missing\.toml: cannot be read: No such file"):
        locate(tmp_path, tmp_path / "missing.toml")
