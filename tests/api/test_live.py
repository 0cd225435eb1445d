from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from live_api import ZONE, document

from api.live import REMEMBERED_STEPS, WHOLE_EVERY, Hub, Output
from api.pages import read_page
from api.vitals import parse_tick
from devices.city import City

START = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)


class Clock:
    """Both clocks of the hub, moved by the test."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return 1000 + self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hub(city: City, clock: Clock) -> Hub:
    return Hub(city, monotonic=clock.monotonic, now=clock.now)


def output(
    city: City, number: int, at: datetime, scores: dict[str, float] | None = None, retained: bool = False, **more: Any
) -> Output:
    text = at.astimezone(ZONE).isoformat()
    skip = more.get("skip", ())
    pages = {}
    for area in city.areas:
        if area.code not in skip:
            raw = orjson.dumps(document(city, area.code, number, text, (scores or {}).get(area.code, 80.0)))
            pages[area.code] = read_page(raw, area.code)
    tick = parse_tick(orjson.dumps({"tick": number, "at": text, "methodVersion": "test-1", "pipeline": {}}))
    return Output(tick, pages, retained)


def everywhere(hub: Hub) -> frozenset[str]:
    return frozenset(hub.snapshot.pages)


def areas(hub: Hub, position: int | None, selection: frozenset[str] | None = None) -> dict[str, Any]:
    parts: dict[str, Any] = orjson.loads(hub.frame(position, selection or everywhere(hub)).data)["areas"]
    return parts


def run(hub: Hub, city: City, clock: Clock, ticks: int, scores: dict[str, float] | None = None) -> None:
    for _ in range(ticks):
        clock.seconds += 1
        hub.accept(output(city, hub.snapshot.tick.number + 1, clock.now(), scores))


def test_before_the_first_tick_nothing_is_known(hub: Hub, codes: dict[str, str]) -> None:
    composite = orjson.loads(hub.snapshot.document(codes["city"]))["composite"]
    assert (composite["score"], composite["reason"]) == (None, "pipeline_silent")


def test_a_document_is_served_as_the_very_bytes_that_were_published(hub: Hub, city: City, clock: Clock) -> None:
    tick = output(city, 1, clock.now())
    hub.accept(tick)
    assert all(hub.snapshot.document(code) == page.raw for code, page in tick.pages.items())


def test_a_frame_holds_only_what_changed(hub: Hub, city: City, clock: Clock, codes: dict[str, str]) -> None:
    run(hub, city, clock, 2)  # at version 3 the one area that is due as a whole is none of those below
    position = hub.version
    run(hub, city, clock, 1, {codes["east"]: 60.0})
    east = areas(hub, position)[codes["east"]]
    assert east["composite"]["score"] == 60.0
    assert east["domains"].keys() == {"parking"}
    assert east["domains"]["parking"]["indicators"].keys() == {"parking.kerb_occupancy"}
    assert "level" not in east


def test_every_area_is_sent_whole_within_ten_ticks(hub: Hub, city: City, clock: Clock) -> None:
    run(hub, city, clock, 3)
    whole: set[str] = set()
    for _ in range(WHOLE_EVERY):
        position = hub.version
        run(hub, city, clock, 1)
        parts = areas(hub, position)
        assert all("level" in part for part in parts.values()), "nothing changed, so what comes is whole"
        whole |= parts.keys()
    assert whole == everywhere(hub)


def test_a_client_that_fell_behind_gets_one_frame_with_the_newest_values(
    hub: Hub, city: City, clock: Clock, codes: dict[str, str]
) -> None:
    run(hub, city, clock, 1)
    position = hub.version
    run(hub, city, clock, 1, {codes["east"]: 60.0})
    run(hub, city, clock, 1, {codes["east"]: 50.0, codes["west"]: 40.0})
    frame = hub.frame(position, everywhere(hub))
    parts = orjson.loads(frame.data)["areas"]
    assert frame.event == "vitals"
    assert parts[codes["east"]]["composite"]["score"] == 50.0
    assert parts[codes["west"]]["composite"]["score"] == 40.0


def test_a_client_that_is_forgotten_gets_a_snapshot(hub: Hub, city: City, clock: Clock) -> None:
    run(hub, city, clock, 1)
    position = hub.version
    run(hub, city, clock, REMEMBERED_STEPS)
    assert hub.frame(position, everywhere(hub)).event == "vitals"
    run(hub, city, clock, 1)
    assert hub.frame(position, everywhere(hub)).event == "snapshot"
    assert areas(hub, position).keys() == everywhere(hub)


def test_clients_that_ask_for_the_same_share_one_encoding(
    hub: Hub, city: City, clock: Clock, codes: dict[str, str]
) -> None:
    run(hub, city, clock, 2)
    chosen = frozenset({codes["east"]})
    first = hub.frame(hub.version - 1, chosen)
    assert hub.frame(hub.version - 1, frozenset({codes["east"]})) is first
    assert first.sse is first.sse
    assert areas(hub, None, chosen).keys() == chosen


def test_a_tick_is_resumed_from_its_id_until_the_pipeline_counts_anew(hub: Hub, city: City, clock: Clock) -> None:
    run(hub, city, clock, 5)
    assert hub.position_of(3) == 3
    assert hub.position_of(99) is None
    clock.seconds += 1
    hub.accept(output(city, 1, clock.now()))
    assert hub.snapshot.tick.number == 1
    assert hub.position_of(3) is None


def test_an_area_that_did_not_come_keeps_its_values_and_grows_older(
    hub: Hub, city: City, clock: Clock, codes: dict[str, str]
) -> None:
    run(hub, city, clock, 1, {codes["east"]: 60.0})
    clock.seconds += 1
    hub.accept(output(city, 2, clock.now(), skip=(codes["east"],)))
    east = orjson.loads(hub.snapshot.document(codes["east"]))
    assert (east["tick"], east["composite"]["score"], east["composite"]["freshness"]) == (2, 60.0, 2.5)


def test_a_pipeline_that_falls_silent_leaves_nothing_green(
    hub: Hub, city: City, clock: Clock, codes: dict[str, str]
) -> None:
    run(hub, city, clock, 2)
    etag, position = hub.snapshot.etag, hub.version
    clock.seconds += 10
    hub.check_silence()
    assert not hub.snapshot.silent
    clock.seconds += 0.5
    hub.check_silence()
    assert hub.snapshot.silent
    assert hub.snapshot.etag != etag
    frame = orjson.loads(hub.frame(position, everywhere(hub)).data)
    assert frame["areas"].keys() == everywhere(hub)
    city_now = frame["areas"][codes["city"]]
    assert city_now["composite"]["reason"] == "pipeline_silent"
    assert city_now["composite"]["freshness"] == 12.0, "1.5 s at the tick, and 10.5 s since"
    assert frame["at"] == city_now["at"] == clock.now().astimezone(ZONE).isoformat().replace("500000", "5")
    assert hub.position_of(2) == position, "who resumes from the last tick hears of the silence too"


def test_the_first_tick_after_a_silence_is_whole(hub: Hub, city: City, clock: Clock) -> None:
    run(hub, city, clock, 1)
    clock.seconds += 11
    hub.check_silence()
    position = hub.version
    run(hub, city, clock, 1)
    assert not hub.snapshot.silent
    assert all("level" in part for part in areas(hub, position).values())
    assert areas(hub, position).keys() == everywhere(hub)


def test_what_the_broker_kept_of_a_dead_pipeline_is_silent_at_once(hub: Hub, city: City, clock: Clock) -> None:
    hub.accept(output(city, 7, clock.now() - timedelta(minutes=5), retained=True))
    assert hub.snapshot.silent
    assert hub.snapshot.tick.number == 7
    assert hub.age == pytest.approx(300)


def test_what_the_broker_kept_a_moment_ago_is_taken(hub: Hub, city: City, clock: Clock) -> None:
    hub.accept(output(city, 7, clock.now() - timedelta(seconds=1), retained=True))
    assert not hub.snapshot.silent
    assert hub.age == pytest.approx(1)


def test_an_older_retained_tick_does_not_replace_a_living_one(hub: Hub, city: City, clock: Clock) -> None:
    run(hub, city, clock, 5)
    hub.accept(output(city, 3, clock.now() - timedelta(seconds=2), retained=True))
    assert hub.snapshot.tick.number == 5


def test_listeners_are_woken_by_news_and_by_the_end(hub: Hub, city: City, clock: Clock) -> None:
    with hub.listen() as wake:
        run(hub, city, clock, 1)
        assert wake.is_set()
        wake.clear()
        hub.close()
        assert wake.is_set()
        assert hub.closed
    assert hub.listeners == 0
