"""The simulated fleet: same seed, same city; every kind in every street; days that look like days."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Literal

import pytest
from pydantic import Field

from devices.city import City
from devices.contract import Event, Kind, Telemetry
from devices.explaining import explain
from devices.kinds import kinds, streams
from devices.simulation.behaviour import Mood
from devices.simulation.fleet import Emission, Fleet
from devices.simulation.lines import distance
from devices.simulation.plan import share_out
from devices.units import Decibel, Instant, Label, Point, Unit, parse_instant

MORNING = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)  # 08:00 in Shanghai


def run(fleet: Fleet, start: datetime, seconds: int, step: float = 5.0) -> list[Emission]:
    found: list[Emission] = []
    for i in range(1, int(seconds / step) + 1):
        found += fleet.readings(start + timedelta(seconds=i * step))
    return found


@pytest.fixture(scope="module")
def morning(city: City) -> list[Emission]:
    return run(Fleet(city, kinds(), 2000, 7, MORNING), MORNING, 300)


def test_the_same_seed_and_clock_give_the_same_births_and_readings(city: City) -> None:
    one, two = (Fleet(city, kinds(), 300, 5, MORNING) for _ in range(2))
    assert one.births() == two.births()
    assert run(one, MORNING, 60) == run(two, MORNING, 60)


def test_how_often_the_clock_is_read_does_not_change_the_readings(city: City) -> None:
    one, two = (Fleet(city, kinds(), 300, 5, MORNING) for _ in range(2))
    assert run(one, MORNING, 60, step=0.5) == run(two, MORNING, 60, step=20)


def test_another_seed_gives_another_city(city: City) -> None:
    assert Fleet(city, kinds(), 50, 1, MORNING).births() != Fleet(city, kinds(), 50, 2, MORNING).births()


def test_every_reading_is_valid(morning: list[Emission]) -> None:
    flaws = Counter(str(explain(streams()[e.stream], e.reading)) for e in morning)
    assert flaws == {"None": len(morning)}


def test_every_stream_speaks_within_five_minutes(morning: list[Emission]) -> None:
    assert {e.stream for e in morning} >= {*kinds(), "bus_arrival"}


def test_a_device_reports_once_an_interval_at_its_own_phase(morning: list[Emission]) -> None:
    times = defaultdict(list)
    for e in morning:
        if e.stream == "parking_bay":
            times[e.device].append(parse_instant(e.reading["dateObserved"]))
    steady = [own for own in times.values() if len(own) >= 29]
    assert len(steady) > 0.9 * len(times)
    assert {later - earlier for own in steady for earlier, later in pairwise(own)} >= {10_000_000}
    assert len({own[0] % 10_000_000 for own in steady}) > len(steady) / 2


def test_no_reading_is_of_the_future(city: City) -> None:
    fleet = Fleet(city, kinds(), 400, 5, MORNING)
    for i in range(1, 60):
        now = MORNING + timedelta(seconds=i)
        assert all(datetime.fromisoformat(e.reading["dateObserved"]) <= now for e in fleet.readings(now))


def test_every_street_has_devices_of_every_common_kind_and_few_are_dead(city: City, morning: list[Emission]) -> None:
    births = Fleet(city, kinds(), 2000, 7, MORNING).births()
    per_kind = defaultdict(set)
    for birth in births:
        per_kind[birth.kind].add(birth.meta["area"])
        assert city.area(birth.meta["area"]).level == "street"
        assert city.district_of(*birth.meta["location"]["coordinates"]) == city.area(birth.meta["area"]).parent
    assert {kind: len(areas) for kind, areas in per_kind.items()} == dict.fromkeys(kinds(), 234)
    silent = {birth.device for birth in births} - {e.device for e in morning}
    assert 0.005 < len(silent) / len(births) < 0.06
    assert len({birth.device for birth in births}) == len(births)


def test_births_say_how_often_the_device_reports(city: City) -> None:
    fleet = Fleet(city, kinds(), 20, 7, MORNING, interval=15)
    assert all(birth.meta["attributes"]["reportingInterval"] == 15 for birth in fleet.births())


def test_buses_are_mostly_on_time_and_arrivals_come_from_the_first_seconds(morning: list[Emission]) -> None:
    arrivals = [e.reading for e in morning if e.stream == "bus_arrival"]
    delays = [(parse_instant(r["arrivedAt"]) - parse_instant(r["scheduledAt"])) / 1e6 for r in arrivals]
    on_time = sum(-60 <= delay < 360 for delay in delays) / len(delays)
    assert 0.85 <= on_time <= 0.98
    assert min(parse_instant(r["dateObserved"]) for r in arrivals) < MORNING.timestamp() * 1e6 + 5e6
    assert all(r["dateObserved"] == r["arrivedAt"] for r in arrivals)


def test_a_bus_moves_no_faster_than_its_speed_allows(morning: list[Emission]) -> None:
    last: dict[str, tuple[int, tuple[float, float]]] = {}
    for e in morning:
        if e.stream != "bus":
            continue
        at, place = parse_instant(e.reading["dateObserved"]), tuple(e.reading["position"]["coordinates"])
        if e.device in last:
            seconds = (at - last[e.device][0]) / 1e6
            assert distance(last[e.device][1], place) <= 30 * seconds + 1
        last[e.device] = (at, place)


def test_the_energy_register_is_the_integral_of_the_power(morning: list[Emission]) -> None:
    series = defaultdict(list)
    for e in morning:
        if e.stream == "energy_meter":
            r = e.reading
            series[e.device].append(
                (parse_instant(r["dateObserved"]) / 3.6e9, r["totalActivePower"], r["totalActiveEnergyImport"])
            )
    for points in series.values():
        drawn = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))
        assert points[-1][2] - points[0][2] == pytest.approx(drawn, rel=0.01, abs=0.002)


def test_the_register_goes_on_after_a_restart(city: City) -> None:
    later = MORNING + timedelta(hours=3)
    first = Fleet(city, kinds(), 200, 7, MORNING)
    again = Fleet(city, kinds(), 200, 7, later)
    register = "totalActiveEnergyImport"
    before = {e.device: e.reading[register] for e in run(first, MORNING, 20) if e.stream == "energy_meter"}
    after = {e.device: e.reading[register] for e in run(again, later, 20) if e.stream == "energy_meter"}
    drawn = [after[device] - before[device] for device in before if device in after]
    assert len(drawn) > 20
    assert all(0 < kwh < 3.1 * 900 for kwh in drawn)


def test_huts_fill_over_the_evening_and_are_emptied_in_the_morning(city: City) -> None:
    def fill(hour: float) -> float:
        fleet = Fleet(city, kinds(), 500, 7, MORNING, hour=hour)
        fills = [e.reading["fillingLevelResidual"] for e in run(fleet, MORNING, 15) if e.stream == "garbage_hut"]
        return sum(fills) / len(fills)

    assert fill(14) < 0.2 < fill(19) < fill(8.5)


def test_nobody_empties_the_huts_in_a_strike(city: City) -> None:
    fleet = Fleet(city, kinds(), 300, 7, MORNING, hour=14, mood=Mood(collection=False))
    fills = [e.reading["fillingLevelResidual"] for e in run(fleet, MORNING, 15) if e.stream == "garbage_hut"]
    assert sum(fills) / len(fills) > 0.6


def test_between_sixty_and_eighty_five_percent_of_bays_are_taken_by_day(city: City) -> None:
    for hour in (10, 12, 15):
        fleet = Fleet(city, kinds(), 2000, 7, MORNING, hour=hour)
        taken = Counter(e.reading["status"] for e in run(fleet, MORNING, 10) if e.stream == "parking_bay")
        assert 0.6 <= taken["occupied"] / taken.total() <= 0.85


def test_with_speed_the_day_runs_faster_but_timestamps_are_real(city: City) -> None:
    fleet = Fleet(city, kinds(), 300, 7, MORNING, speed=720)  # six hours in thirty seconds
    found = run(fleet, MORNING, 30, step=1)
    observed = [datetime.fromisoformat(e.reading["dateObserved"]) for e in found]
    assert max(observed) <= MORNING + timedelta(seconds=30)
    fills = defaultdict(list)
    for e in found:
        if e.stream == "garbage_hut":
            fills[e.device].append(e.reading["fillingLevelResidual"])
    emptied = [own for own in fills.values() if min(own) < 0.3]
    assert len(emptied) > 0.9 * len(fills)


def test_after_a_pause_missed_reports_are_left_out(city: City) -> None:
    fleet = Fleet(city, kinds(), 200, 7, MORNING)
    list(fleet.readings(MORNING + timedelta(seconds=10)))
    late = MORNING + timedelta(hours=1)
    found = list(fleet.readings(late))
    per_device = Counter(e.device for e in found if "_" not in e.stream.removeprefix("parking_").removeprefix("car_"))
    oldest = min(datetime.fromisoformat(e.reading["dateObserved"]) for e in found)
    assert oldest >= late - timedelta(seconds=30)
    assert max(per_device.values()) <= 4


class Noise(Telemetry):
    """A sixth kind with every type of field."""

    level: Decibel | None = Field(default=None)
    peaks: Annotated[int, Field(ge=0, lt=5)] | None = Field(default=None)
    ratio: Annotated[float, Field(gt=0, lt=1), Unit("1", "ratio")] | None = Field(default=None)
    mode: Literal["day", "night"]
    calibrated: bool | None = None
    source: Label | None = None
    code: Annotated[str, Field(min_length=3, max_length=3, pattern="^[0-9]{3}$")] | None = None
    since: Instant | None = None
    place: Point | None = None


class Shout(Event):
    """Somebody shouted."""

    level: Decibel


def test_a_kind_without_a_behaviour_of_its_own_appears_with_valid_readings(city: City) -> None:
    noise = Kind(id="noise", name_en="Noise", name_zh="噪声", telemetry=Noise, events={"shout": Shout})
    own = {**kinds(), "noise": noise}
    found = run(Fleet(city, own, 400, 7, MORNING, speed=500), MORNING, 120)
    readings = [e.reading for e in found if e.stream == "noise"]
    shouts = [e.reading for e in found if e.stream == "noise_shout"]
    assert readings
    assert shouts
    assert {str(explain(noise.stream, r)) for r in readings} == {"None"}
    assert {str(explain(noise.event_streams["shout"], r)) for r in shouts} == {"None"}
    assert len({r["level"] for r in readings}) > 10
    assert all("code" not in r for r in readings)


def test_shares_add_up_to_the_whole() -> None:
    assert share_out(10, {"a": 1.0, "b": 1.0, "c": 1.0}) == {"a": 4, "b": 3, "c": 3}
    assert sum(share_out(2000, {"a": 2.0, "b": 3.1, "c": 0.7}).values()) == 2000
    assert share_out(0, {"a": 1.0}) == {"a": 0}


@pytest.mark.parametrize(("speed", "interval", "n"), [(0, 10, 5), (1, 0, 5), (1, 10, -1)])
def test_impossible_fleets_are_refused(city: City, speed: float, interval: float, n: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Fleet(city, kinds(), n, 1, MORNING, speed=speed, interval=interval)
