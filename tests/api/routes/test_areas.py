import httpx
import pytest

from api import models


def test_areas_of_a_level(client: httpx.Client, codes: dict[str, str]) -> None:
    page = models.Page[models.Area].model_validate(client.get("/v1/areas", params={"level": "district"}).json())
    assert [area.code for area in page.items] == [codes["east"], codes["west"]]
    assert page.items[0].name.en == "East"
    assert page.next is None


def test_areas_in_another(client: httpx.Client, codes: dict[str, str]) -> None:
    items = client.get("/v1/areas", params={"parent": codes["east"]}).json()["items"]
    assert [area["code"] for area in items] == [codes["first"], codes["second"]]


def test_all_areas_come_in_the_order_of_the_hierarchy(client: httpx.Client, codes: dict[str, str]) -> None:
    assert [area["code"] for area in client.get("/v1/areas").json()["items"]] == list(codes.values())


def test_one_area_knows_what_is_above_and_below_it(client: httpx.Client, codes: dict[str, str]) -> None:
    area = models.AreaDetail.model_validate(client.get(f"/v1/areas/{codes['east']}").json())
    assert [above.code for above in area.ancestors] == [codes["city"]]
    assert [below.code for below in area.children] == [codes["first"], codes["second"]]


def test_an_unknown_area_is_a_problem_that_names_it(client: httpx.Client) -> None:
    answer = client.get("/v1/areas/123456")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    problem = models.ProblemShape.model_validate(answer.json())
    assert (problem.type, problem.status) == ("urn:cityvitals:problem:unknown_area", 404)
    assert '"123456"' in problem.detail
    assert problem.instance == "/v1/areas/123456"


@pytest.mark.parametrize(("name", "value"), [("level", "province"), ("parent", "123456")])
def test_a_wrong_filter_names_value_and_what_would_be_right(client: httpx.Client, name: str, value: str) -> None:
    answer = client.get("/v1/areas", params={name: value})
    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert error["name"] == name
    assert value in error["detail"]
    assert "must be" in error["detail"]


def test_outlines_are_geojson(client: httpx.Client, codes: dict[str, str]) -> None:
    answer = client.get("/v1/areas.geojson")
    assert answer.headers["content-type"] == "application/geo+json"
    outlines = models.FeatureCollection.model_validate(answer.json())
    assert [feature.id for feature in outlines.features] == [codes["east"], codes["west"]]
    assert outlines.features[0].properties["name"] == {"zh": "东区", "en": "East"}
