import httpx

from api import models
from devices.kinds import kinds


def test_every_kind_is_listed_with_its_streams_and_fields(client: httpx.Client) -> None:
    page = models.Page[models.KindShape].model_validate(client.get("/v1/kinds").json())
    assert [kind.id for kind in page.items] == list(kinds())
    for shape in page.items:
        declared = kinds()[shape.id]
        assert [stream.name for stream in shape.streams] == [stream.name for stream in declared.streams]
        for stream, known in zip(shape.streams, declared.streams, strict=True):
            assert [field.name for field in stream.fields] == [spec.name for spec in known.fields]
            assert stream.json_schema == known.json_schema()


def test_a_field_tells_unit_bounds_and_meaning(client: httpx.Client, codes: dict[str, str]) -> None:
    hut = client.get("/v1/kinds/garbage_hut").json()
    telemetry, dumping = hut["streams"]
    weight = next(field for field in telemetry["fields"] if field["name"] == "cargoWeightFood")
    assert weight["unit"] == {"symbol": "kg", "name": "kilogram"}
    assert (weight["minimum"], weight["maximum"], weight["bound"]) == (0, 50000, "0–50000 kg")
    assert telemetry["topic"] == f"cv1/{codes['city']}/garbage_hut/{{device}}/tele"
    assert dumping["event"] == "illegal_dumping"
    assert dumping["topic"].endswith("/event/illegal_dumping")


def test_an_unknown_kind_is_a_404_that_names_the_known(client: httpx.Client) -> None:
    answer = client.get("/v1/kinds/toaster")
    assert answer.status_code == 404
    assert "parking_bay" in answer.json()["detail"]
