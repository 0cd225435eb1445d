import dataclasses
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from live_api import running_api

from api.app import create_app
from api.auth import new_key
from api.config import ApiConfig
from devices.city import load_city

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "api.md"
CONFIG = ApiConfig("postgresql://x@127.0.0.1:1/x", "mqtt://127.0.0.1:1", load_city("shanghai"))
OPENAPI: dict[str, Any] = create_app(CONFIG).openapi()
OPERATIONS = [(method, path) for path, methods in OPENAPI["paths"].items() for method in methods]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_route_is_documented(method: str, path: str) -> None:
    assert f"`{method.upper()} {path}" in DOCUMENTATION.read_text(encoding="utf-8")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_parameter_is_documented(method: str, path: str) -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    for parameter in OPENAPI["paths"][path][method].get("parameters", []):
        if parameter["in"] == "query":
            assert re.search(rf"`{parameter['name']}=?`", text), parameter["name"]


def test_the_websocket_is_documented() -> None:
    assert "`WS /v1/ws" in DOCUMENTATION.read_text(encoding="utf-8")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_has_an_example_and_every_error_is_a_problem(method: str, path: str) -> None:
    for status, answer in OPENAPI["paths"][path][method]["responses"].items():
        for media, content in answer.get("content", {}).items():
            assert "example" in content or "examples" in content, (status, media)
            if status[0] in "45" and path.startswith("/v1/"):
                assert media == "application/problem+json"


def test_what_every_route_can_answer_is_described() -> None:
    for method, path in OPERATIONS:
        if path.startswith("/v1/"):
            described = OPENAPI["paths"][path][method]
            assert "422" in described["responses"]
            assert ("413" in described["responses"]) == ("requestBody" in described)


def test_the_body_of_a_registration_has_examples() -> None:
    body = OPENAPI["paths"]["/v1/devices"]["post"]["requestBody"]["content"]["application/json"]
    assert body["examples"].keys() == {"one", "list"}


def test_every_reference_in_the_description_leads_somewhere() -> None:
    names = set(re.findall(r"#/components/schemas/([\w\[\]]+)", str(OPENAPI)))
    assert names <= OPENAPI["components"]["schemas"].keys()


def test_every_route_under_v1_asks_for_a_key_where_keys_are_configured(config: ApiConfig) -> None:
    key = new_key("ops")
    with (
        running_api(dataclasses.replace(config, api_keys=(key,))) as api,
        httpx.Client(base_url=api.url, timeout=30) as client,
    ):
        for method, path in OPERATIONS:
            if path.startswith("/v1/"):
                answer = client.request(method, re.sub(r"{\w+}", "1", path))
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="cityvitals"')
                assert answer.headers["content-type"] == "application/problem+json"
        wrong = {"Authorization": f"Bearer ops.{'A' * 43}"}
        assert client.get("/v1/areas", headers=wrong).status_code == 401
        for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}, {"Cookie": f"cityvitals_key={key}"}):
            assert client.get("/v1/areas", headers=headers).status_code == 200
        assert client.get("/openapi.json").json()["components"]["securitySchemes"]


def test_a_misspelt_parameter_is_refused_on_every_route_with_the_ones_it_has(client: httpx.Client) -> None:
    tried = 0
    for method, path in OPERATIONS:
        parameters = OPENAPI["paths"][path][method].get("parameters", []) if path.startswith("/v1/") else []
        known = [parameter["name"] for parameter in parameters if parameter["in"] == "query"]
        for right in known:
            wrong = right.title() + "s" if len(right) > 1 else right.upper()
            answer = client.request(method, re.sub(r"{\w+}", "1", path), params={wrong: "x"})
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
            detail = next(error["detail"] for error in answer.json()["errors"] if error["name"] == wrong)
            assert detail == f'"{wrong}" is no parameter here, must be {right}; there are {", ".join(known)}'
            tried += 1
    assert tried > 40


def test_a_request_that_changes_something_has_no_parameter_but_the_routes_own(client: httpx.Client) -> None:
    answer = client.post("/v1/rejects/replay", params={"kind": "bus"})  # ignored, it would replay what is of others
    assert answer.status_code == 422
    assert '"kind" is no parameter here, must be left out; there are limit, reason,' in answer.json()["detail"]


def test_a_parameter_like_none_of_the_routes_is_ignored_and_every_misspelt_one_is_named(client: httpx.Client) -> None:
    assert client.get("/v1/areas", params={"level": "district", "_": "17", "utm_source": "x"}).status_code == 200
    answer = client.get("/v1/areas", params={"levels": "district", "Parent": "310000", "_": "1"})
    assert [error["name"] for error in answer.json()["errors"]] == ["levels", "Parent"]


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/v1/areas/310104/vitals?at=2026-11-20T08:00:00Z", "none"),
        ("/v1/readings/bus?since=x", "device, area, from, to, limit, cursor"),
    ],
)
def test_a_time_where_none_can_be_chosen_is_refused(client: httpx.Client, path: str, known: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    assert answer.json()["detail"].endswith(f"is no parameter here, must be left out; there are {known}")


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/v1/devices?limit=ten", 'limit is "ten", must be an integer'),
        ("/v1/devices?kind=", 'kind is "", must be text of 1 characters or more'),
        ("/v1/devices?q=%00", 'q is "\\u0000", must be text without NUL'),
        ("/v1/rejects?resolved=maybe", 'resolved is "maybe", must be true or false'),
        ("/v1/rejects?reason=typo", 'reason is "typo", must be one of syntax, schema, range'),
        ("/v1/areas/310104/vitals/history?indicator=x", 'indicator is "x", must be one of composite, waste'),
    ],
)
def test_a_wrong_parameter_is_named_with_its_value_and_what_would_be_right(
    client: httpx.Client, codes: dict[str, str], path: str, detail: str
) -> None:
    answer = client.get(path.replace("310104", codes["east"]))
    assert answer.status_code == 422
    assert detail in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "the body is not JSON: "),
        (b"[]", "body is [], must be an object"),
        (b'{"areas": "310000", "from": 1, "to": 2}', 'areas is "310000", must be a list'),
        (b'{"areas": [], "from": 1, "to": 2}', "areas is [], must be a list of 1 or more"),
        (b'{"areas": ["1"], "from": 1, "to": 2, "colour": "red"}', "colour is no field here, must be left out"),
    ],
)
def test_a_wrong_body_is_named_with_its_value_and_what_would_be_right(
    client: httpx.Client, body: bytes, detail: str
) -> None:
    answer = client.post("/v1/whatif", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert any(detail in error["detail"] for error in answer.json()["errors"])


@pytest.mark.parametrize(
    ("body", "kind", "detail"),
    [
        (b"\xff", "application/json", "the body cannot be read, must be JSON in UTF-8"),
        (b"{}", "application/x-www-form-urlencoded", "must be sent with Content-Type: application/json"),
    ],
)
def test_a_body_that_cannot_be_json_is_told_how_to_be(
    client: httpx.Client, body: bytes, kind: str, detail: str
) -> None:
    answer = client.post("/v1/whatif", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:cityvitals:problem:invalid")
    assert answer.json()["detail"].endswith(detail)


@pytest.mark.parametrize(("path", "status"), [("/v1/areas", 200), ("/livez", 200), ("/", 200), ("/v1/nothing", 404)])
def test_head_is_answered_as_get_without_the_body(client: httpx.Client, path: str, status: int) -> None:
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (status, b"")
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))
    assert head.headers["content-type"] == get.headers["content-type"]


def test_head_of_a_stream_ends_with_its_headers(client: httpx.Client) -> None:
    for _ in range(2):
        head = client.head("/v1/live")
        assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


def test_an_unknown_path_is_a_problem(client: httpx.Client) -> None:
    for path in ("/v1/nothing", "/nothing", "/v1", "/v1/areas/"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert client.post("/v1/nothing").status_code == 404


def test_a_wrong_method_is_a_problem_that_names_the_right_one(client: httpx.Client) -> None:
    answer = client.delete("/v1/ledger")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["type"].endswith("method_not_allowed")


def test_an_unknown_host_is_refused(client: httpx.Client, config: ApiConfig) -> None:
    answer = client.get("/livez", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["type"]) == (421, "urn:cityvitals:problem:unknown_host")
    with running_api(dataclasses.replace(config, allowed_hosts=("Ops.example",))) as api:
        assert httpx.get(f"{api.url}/livez", timeout=30, headers={"Host": "ops.example:443"}).status_code == 200


def test_other_origins_may_not_read_unless_they_are_allowed(client: httpx.Client, config: ApiConfig) -> None:
    origin = {"Origin": "https://ops.example"}
    assert "access-control-allow-origin" not in client.get("/v1/areas", headers=origin).headers
    with running_api(dataclasses.replace(config, allowed_origins=("https://ops.example",))) as api:
        answer = httpx.get(f"{api.url}/v1/areas", timeout=30, headers=origin)
        assert answer.headers["access-control-allow-origin"] == "https://ops.example"


@pytest.mark.parametrize("path", ["/", "/docs", "/v1/areas", "/nothing"])
def test_every_answer_keeps_browsers_to_this_host(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
