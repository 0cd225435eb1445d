import httpx
import psycopg
from live_api import Pipeline, RunningApi, own_api, own_city, wait_until

from api import models

city, api = own_city, own_api


def adds_up(counts: models.Counts) -> bool:
    return counts.received == counts.stored + counts.duplicate + counts.rejected + counts.pending


def test_an_empty_ledger_is_all_zeros(client: httpx.Client) -> None:
    ledger = models.Ledger.model_validate(client.get("/v1/ledger").json())
    assert (ledger.received, ledger.streams) == (0, {})


def test_the_ledger_adds_up_in_total_and_by_stream(
    client: httpx.Client, api: RunningApi, pipeline: Pipeline, database_url: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO ledger VALUES ('bus', 100, 5, 3, 2), ('parking_bay', 10, 0, 1, 0)")
    pipeline.tick(1, pipeline={"pending": 7, "connected": True})
    wait_until(lambda: api.hub.snapshot.tick.number == 1, "the tick")
    ledger = models.Ledger.model_validate(client.get("/v1/ledger").json())
    assert (ledger.stored, ledger.duplicate, ledger.rejected, ledger.pending) == (110, 5, 4, 7)
    assert ledger.received == 126
    assert ledger.unknown_fields == 2
    assert ledger.streams.keys() == {"bus", "parking_bay"}
    assert all(adds_up(counts) for counts in (ledger, *ledger.streams.values()))


def test_what_has_ended_since_the_pipelines_last_word_is_not_pending_any_more(
    client: httpx.Client, api: RunningApi, pipeline: Pipeline, database_url: str
) -> None:
    pipeline.tick(1, pipeline={"pending": 40, "ledger": {"ended": 100, "pending": 26}})
    wait_until(lambda: api.hub.snapshot.tick.number == 1, "the tick")
    seen = []
    for stored in (90, 100, 119, 126, 130):
        with psycopg.connect(database_url) as connection:
            connection.execute("DELETE FROM ledger")
            connection.execute("INSERT INTO ledger (stream, stored) VALUES ('bus', %s)", [stored])
        ledger = models.Ledger.model_validate(client.get("/v1/ledger").json())
        assert adds_up(ledger)
        seen.append((ledger.received, ledger.pending))
    assert seen == [(126, 36), (126, 26), (126, 7), (126, 0), (130, 0)]
