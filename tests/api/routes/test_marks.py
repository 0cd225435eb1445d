import httpx
import psycopg
import pytest

from api import models

SPAN = {"from": "2026-11-20T08:00:00+08:00", "to": "2026-11-20T09:30:00+08:00"}
WHY = {"reason": "being cleaned", "by": "duty officer 7"}


@pytest.fixture
def hut(client: httpx.Client, codes: dict[str, str]) -> str:
    answer = client.post("/v1/devices", json={"id": "hut-3", "kind": "garbage_hut", "area": codes["first"]})
    assert answer.status_code == 201
    return "hut-3"


def listed(client: httpx.Client, **filters: str) -> list[models.Mark]:
    return models.Page[models.Mark].model_validate(client.get("/v1/marks", params=filters).json()).items


def test_a_mark_says_who_when_and_why_and_can_be_lifted(client: httpx.Client, hut: str) -> None:
    answer = client.post(f"/v1/devices/{hut}/marks", json={**SPAN, **WHY, "stream": "garbage_hut"})
    assert answer.status_code == 201
    (mark,) = models.Page[models.Mark].model_validate(answer.json()).items
    assert (mark.device, mark.stream, mark.from_, mark.to) == (hut, "garbage_hut", SPAN["from"], SPAN["to"])
    assert (mark.reason, mark.marked_by, mark.unmarked_at) == ("being cleaned", "duty officer 7", None)
    assert listed(client, inForce="true", device=hut) == [mark]
    lifted = models.Mark.model_validate(client.post(f"/v1/marks/{mark.id}/lift", json={"by": "chief"}).json())
    assert (lifted.unmarked_by, lifted.unmarked_at is not None) == ("chief", True)
    assert listed(client, inForce="true") == []
    assert listed(client, inForce="false") == [lifted]


def test_without_a_stream_all_streams_of_the_kind_are_marked(client: httpx.Client, hut: str) -> None:
    client.post(f"/v1/devices/{hut}/marks", json={**SPAN, **WHY})
    assert {mark.stream for mark in listed(client)} == {"garbage_hut", "garbage_hut_illegal_dumping"}


def test_marking_and_lifting_note_what_is_to_be_recomputed(client: httpx.Client, hut: str, database_url: str) -> None:
    client.post(f"/v1/devices/{hut}/marks", json={**SPAN, **WHY})
    one, other = listed(client)
    for _ in range(2):  # the second time nothing changes
        client.post(f"/v1/marks/{one.id}/lift", json={"by": "chief"})
    with psycopg.connect(database_url) as connection:
        noted = connection.execute("SELECT since, until FROM reopened").fetchall()
        (marked,) = connection.execute('SELECT "from", "to" FROM marks WHERE id = %s', [other.id]).fetchall()
    assert noted == [marked] * 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stream": "bus"}, "must be one of garbage_hut"),
        ({"from": "2026-11-20T10:00:00+08:00"}, "must not lie after to"),
        ({"from": "yesterday"}, "yesterday"),
        ({"by": ""}, "by"),
    ],
)
def test_a_wrong_mark_is_told_what_would_be_right(
    client: httpx.Client, hut: str, change: dict[str, str], words: str
) -> None:
    answer = client.post(f"/v1/devices/{hut}/marks", json={**SPAN, **WHY, **change})
    assert answer.status_code == 422
    assert words in answer.text


def test_marks_of_unknown_devices_and_unknown_marks_are_not_found(client: httpx.Client) -> None:
    assert client.post("/v1/devices/nobody/marks", json={**SPAN, **WHY}).status_code == 404
    assert client.post("/v1/marks/999999/lift", json={"by": "chief"}).status_code == 404
