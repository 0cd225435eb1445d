"""What is missing of readings, against the real database.

seconds before now   3600 ─────────────────────────────── 0
readings             | | | | | |       | | | | | | |      |
                                └─ gap ─┘
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from api import gap_models

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _present() -> None:
    """Ages are counted from the beginning of each test."""
    global NOW
    NOW = datetime.now(UTC).replace(microsecond=0)


def register(client: httpx.Client, area: str, *names: str, interval: float = 60, kind: str = "parking_bay") -> None:
    items = [{"id": n, "kind": kind, "area": area, "attributes": {"reportingInterval": interval}} for n in names]
    assert client.post("/v1/devices", json=items).status_code == 201


def put(url: str, device: str, rows: Iterable[tuple[float, int]], stream: str = "parking_bay") -> None:
    """Readings by age in seconds and number; the device was registered two days ago."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {stream} (device, date_observed, seq, received_at) SELECT key, %s, %s, now()"  # type: ignore[arg-type] # a name of the test itself
            " FROM devices WHERE id = %s",
            [(NOW - timedelta(seconds=age), seq, device) for age, seq in rows],
        )
        connection.execute("UPDATE devices SET registered_at = %s", [NOW - timedelta(days=2)])


def ask(client: httpx.Client, device: str, **parameters: Any) -> gap_models.Gaps:
    answer = client.get(f"/v1/devices/{device}/gaps", params=parameters)
    assert answer.status_code == 200, answer.text
    return gap_models.Gaps.model_validate(answer.json())


def ask_area(client: httpx.Client, area: str, **parameters: Any) -> gap_models.AreaGaps:
    answer = client.get(f"/v1/areas/{area}/gaps", params=parameters)
    assert answer.status_code == 200, answer.text
    return gap_models.AreaGaps.model_validate(answer.json())


def ranges(gaps: gap_models.Gaps) -> list[tuple[int | None, int | None]]:
    return [(gap.first, gap.last) for gap in gaps.items]


def age(moment: str) -> float:
    return (NOW - datetime.fromisoformat(moment)).total_seconds()


def test_missing_numbers_with_the_readings_around_them(
    client: httpx.Client, database_url: str, codes: dict[str, str]
) -> None:
    register(client, codes["first"], "bay-1")
    held = [n for n in range(100) if n not in (17, 40, 41, 42)]
    put(database_url, "bay-1", [(1000 - 10 * n, n) for n in held])
    gaps = ask(client, "bay-1")
    assert ranges(gaps) == [(40, 42), (17, 17)]
    assert (gaps.missing, gaps.next, gaps.watermark) == (4, None, None)
    newest = gaps.items[0]
    assert (newest.missing, age(newest.from_), age(newest.to), newest.open) == (3, 610, 570, False)


def test_numbers_out_of_order_are_no_gap_and_a_counter_that_starts_again_is_none_either(
    client: httpx.Client, database_url: str, codes: dict[str, str]
) -> None:
    register(client, codes["first"], "bay-1")
    first = [(5000 - n, 7000 + n) for n in range(200) if n != 50]
    swapped = [(4800, 7201), (4799, 7200), (4798, 7202)]
    anew = [(4000 - n, n) for n in range(100) if n not in (3, 4)]
    put(database_url, "bay-1", first + swapped + anew)
    closed = [gap for gap in ask(client, "bay-1").items if not gap.open]
    assert [(gap.first, gap.last) for gap in closed] == [(3, 4), (7050, 7050)]


def test_the_reading_before_the_span_tells_of_a_gap_at_its_beginning(
    client: httpx.Client, database_url: str, codes: dict[str, str]
) -> None:
    register(client, codes["first"], "bay-1")
    put(database_url, "bay-1", [(7200, 4), (100, 8), (50, 9)])
    since = (NOW - timedelta(hours=1)).isoformat()
    assert ranges(ask(client, "bay-1", **{"from": since})) == [(5, 7)]


def test_stretches_longer_than_three_intervals_where_nothing_is_numbered(
    client: httpx.Client, database_url: str, codes: dict[str, str]
) -> None:
    register(client, codes["first"], "bay-1")
    ages = [*range(3000, 1200, -60), *range(600, 0, -60)]
    put(database_url, "bay-1", [(age, -1) for age in ages])
    gaps = ask(client, "bay-1", **{"from": (NOW - timedelta(seconds=3001)).isoformat()})
    assert [(age(gap.from_), age(gap.to), gap.missing, gap.open) for gap in gaps.items] == [(1260, 600, 10, False)]
    whole_day = ask(client, "bay-1")
    assert len(whole_day.items) == 2
    assert whole_day.items[1].missing == pytest.approx((86_400 - 3000) / 60, abs=2)


def test_a_silence_that_lasts_is_open_also_for_who_numbers(
    client: httpx.Client, database_url: str, codes: dict[str, str]
) -> None:
    register(client, codes["first"], "bay-1", "bay-2", "bay-3")
    put(database_url, "bay-1", [(3600 + n, -1) for n in range(0, 600, 60)])
    put(database_url, "bay-2", [(3600 - n, n) for n in range(10)])
    for device in ("bay-1", "bay-2"):
        newest = ask(client, device).items[0]
        assert (newest.open, newest.first) == (True, None)
        assert newest.missing == pytest.approx(60, abs=1)
    (never,) = ask(client, "bay-3").items
    assert never.open
    assert never.missing == pytest.approx(1440, abs=1)
    past = {"from": (NOW - timedelta(hours=2)).isoformat(), "to": (NOW - timedelta(minutes=58)).isoformat()}
    assert not any(gap.open for gap in ask(client, "bay-1", **past).items)


def test_events_have_missing_numbers_and_no_expected_intervals(
    client: httpx.Client, database_url: str, codes: dict[str, str]
) -> None:
    register(client, codes["first"], "bus-1", "bus-2", kind="bus")
    put(database_url, "bus-1", [(3000, 1), (2000, 5)], "bus_arrival")
    put(database_url, "bus-2", [(3000, -1), (20, -1)], "bus_arrival")
    assert ranges(ask(client, "bus-1", stream="bus_arrival")) == [(2, 4)]
    assert ask(client, "bus-2", stream="bus_arrival").items == []


def test_pages_meet_and_all_tell_the_whole_sum(client: httpx.Client, database_url: str, codes: dict[str, str]) -> None:
    register(client, codes["first"], "bay-1")
    put(database_url, "bay-1", [(1000 - n, n) for n in range(0, 100, 2)])
    found, cursor = [], None
    while True:
        page = ask(client, "bay-1", limit=7, **({"cursor": cursor} if cursor else {}))
        assert page.missing >= 49
        found += [gap.first for gap in page.items if not gap.open]
        cursor = page.next
        if cursor is None:
            break
    assert found == list(range(97, 0, -2))


def test_the_watermark_is_told_too(client: httpx.Client, database_url: str, codes: dict[str, str]) -> None:
    register(client, codes["first"], "bay-1")
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM watermarks")
        connection.execute(
            "INSERT INTO watermarks (device, stream, committed, highest, above)"
            " SELECT key, 'parking_bay', 41, 57, '{45,57}' FROM devices"
        )
    watermark = ask(client, "bay-1").watermark
    assert watermark == gap_models.Confirmed(committed=41, highest=57, gaps=[[42, 44]])


def test_the_devices_of_an_area_worst_first(client: httpx.Client, database_url: str, codes: dict[str, str]) -> None:
    register(client, codes["first"], "bay-good", "bay-numbers", "bay-pause")
    register(client, codes["second"], "bay-silent", "bay-never")
    register(client, codes["third"], "bay-elsewhere")
    minutes = [60 * n + 5 for n in range(60)]
    put(database_url, "bay-good", [(age, -1) for age in minutes])
    put(database_url, "bay-numbers", [(age, 1000 - n) for n, age in enumerate(minutes) if n not in (5, 6)])
    put(database_url, "bay-pause", [(age, -1) for n, age in enumerate(minutes) if not 10 <= n < 20])
    put(database_url, "bay-silent", [(age, -1) for age in minutes if age > 1800])
    page = ask_area(client, codes["east"])
    assert [(d.device, d.open) for d in page.items] == [
        ("bay-never", True),
        ("bay-silent", True),
        ("bay-pause", False),
        ("bay-numbers", False),
    ]
    assert [d.missing for d in page.items] == pytest.approx([60, 30, 10, 2], abs=1)
    assert page.items[0].last is None
    assert [d.device for d in ask_area(client, codes["city"]).items].count("bay-elsewhere") == 1
    assert ask_area(client, codes["east"], kind="bus").items == []


def test_pages_of_an_area_go_on_with_their_span(client: httpx.Client, database_url: str, codes: dict[str, str]) -> None:
    names = [f"bay-{n:02d}" for n in range(12)]
    register(client, codes["first"], *names)
    for n, name in enumerate(names):
        put(database_url, name, [(60 * k + 5, -1) for k in range(60) if not 20 <= k < 25 + n // 2])
    found: list[str] = []
    first = page = ask_area(client, codes["city"], limit=5)
    while True:
        assert (page.from_, page.to) == (first.from_, first.to)
        found += [d.device for d in page.items]
        if page.next is None:
            break
        page = ask_area(client, codes["city"], limit=5, cursor=page.next)
    assert found == sorted(names, key=lambda name: (-(int(name[4:]) // 2), name))


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/devices/nobody/gaps", 404, "must be the id of a registered device"),
        ("/v1/areas/999/gaps", 404, "must be a code of GET /v1/areas"),
        ("/v1/devices/bay-1/gaps?stream=bus", 422, "must be a stream of the device's kind: parking_bay"),
        ("/v1/devices/bay-1/gaps?from=2020-01-01T00:00:00Z", 422, "at most 31 days before to"),
        ("/v1/devices/bay-1/gaps?from=2100-01-01T00:00:00Z", 422, "must be before now"),
        ("/v1/devices/bay-1/gaps?cursor=x", 422, "unchanged"),
        ("/v1/areas/{east}/gaps?from=2020-01-01T00:00:00Z", 422, "at most a day before to"),
        ("/v1/areas/{east}/gaps?kind=tram", 422, "must be one of"),
    ],
)
def test_wrong_questions_are_explained(
    client: httpx.Client, codes: dict[str, str], path: str, status: int, words: str
) -> None:
    register(client, codes["first"], "bay-1")
    answer = client.get(path.format(**codes))
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_numbers_that_leap_to_the_largest_again_and_again_are_counted_up_to_a_limit(
    client: httpx.Client, database_url: str, codes: dict[str, str]
) -> None:
    register(client, codes["first"], "leaping")
    put(database_url, "leaping", [(2400 - n, (n % 2) * (2**53 - 1)) for n in range(2200)])
    assert ask(client, "leaping").missing == 2**53 - 1
    assert [item.missing for item in ask_area(client, codes["first"]).items] == [2**53 - 1]
