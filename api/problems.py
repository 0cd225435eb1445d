"""Every error as RFC 9457 ``application/problem+json``: what was wrong, with which value, and what would be right."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from devices.contract import shown

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:cityvitals:problem:"
MAX_ERRORS = 100


class Problem(Exception):  # noqa: N818 - the word of the RFC
    """An answer that is an error; raise it anywhere below a route."""

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.slug, self.detail = status, slug, detail
        self.errors, self.headers = errors, headers

    def response(self, instance: str | None = None) -> Response:
        body: dict[str, Any] = {
            "type": TYPE_PREFIX + self.slug,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if instance is not None:
            body["instance"] = instance
        if self.errors:
            body["errors"] = list(self.errors)[:MAX_ERRORS]
        content = orjson.dumps(body, default=str)
        return Response(content, self.status, dict(self.headers or {}), MEDIA_TYPE)


def not_found(noun: str, value: str, right: str) -> Problem:
    """404 for a path that names something which is not there."""
    return Problem(404, f"unknown_{noun}", f"{noun} is {shown(value)}, must be {right}")


def invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """422 with one entry per wrong value; each has ``detail`` and says where it stands."""
    first = errors[0]["detail"]
    others = len(errors) - 1
    more = f" ({others} more {'is' if others == 1 else 'are'} wrong)" if others else ""
    return Problem(422, "invalid", f"{first}{more}", errors=errors)


def invalid_parameter(name: str, value: object, right: str) -> Problem:
    """422 for one query parameter."""
    detail = f"{name} is {shown(value)}, {right}"
    return invalid([{"in": "query", "name": name, "value": shown(value), "detail": detail}])


def unavailable(slug: str, detail: str, retry_after: int = 2) -> Problem:
    """503: something behind the API is away; worth trying again."""
    return Problem(503, slug, detail, headers={"Retry-After": str(retry_after)})


def install(app: FastAPI) -> None:
    """Make every error of ``app`` a problem document."""

    @app.exception_handler(Problem)
    async def on_problem(request: Request, error: Problem) -> Response:
        return error.response(request.url.path)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        return _from_http(request, error).response(request.url.path)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        return invalid([_entry(item) for item in error.errors()]).response(request.url.path)

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> Response:
        detail = "the server failed on this request; its log says where"
        return Problem(500, "internal", detail).response(request.url.path)


def _from_http(request: Request, error: HTTPException) -> Problem:
    path = request.url.path
    if error.status_code == 404:
        return Problem(404, "not_found", f"nothing is at {shown(path)}; /docs lists what there is")
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        detail = f"{request.method} is not possible at {shown(path)}, must be {allowed}"
        return Problem(405, "method_not_allowed", detail, headers=error.headers)
    if error.status_code == 400:  # what FastAPI says of a body whose bytes are no text
        return invalid([{"in": "body", "detail": "the body cannot be read, must be JSON in UTF-8"}])
    slug = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    return Problem(error.status_code, slug, str(error.detail), headers=error.headers)


_TYPES = {
    "int_parsing": "an integer",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer of fewer digits",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "string_pattern_mismatch": "text without NUL",
    "string_too_short": "text of {min_length} characters or more",
    "string_too_long": "text of at most {max_length} characters",
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of at most {max_length}",
}
"""pydantic's types of errors, in words of ours; all patterns of the API are about NUL"""
_RIGHT = {"ge": "at least", "le": "at most", "gt": "more than", "lt": "less than"}


def _entry(item: Mapping[str, Any]) -> dict[str, Any]:
    place, name = str(item["loc"][0]), str(item["loc"][-1])
    value, context = shown(item.get("input")), item.get("ctx") or {}
    if item["type"] == "json_invalid":
        return {"in": place, "detail": f"the body is not JSON: {context['error']} at character {name}"}
    if place == "body" and isinstance(item.get("input"), bytes):
        detail = "the body is not declared as JSON, must be sent with Content-Type: application/json"
        return {"in": place, "detail": detail}
    if item["type"] == "missing":
        return {"in": place, "name": name, "detail": f"{name} is missing"}
    if item["type"] == "extra_forbidden":
        return {"in": place, "name": name, "value": value, "detail": f"{name} is no field here, must be left out"}
    if item["type"] == "value_error":
        right = str(context.get("error", item["msg"]))
    elif item["type"] in _TYPES:
        right = "must be " + _TYPES[item["type"]].format_map(context)
    elif bounds := [f"{words} {context[key]}" for key, words in _RIGHT.items() if key in context]:
        right = "must be " + " and ".join(bounds)
    elif "expected" in context:
        right = f"must be {context['expected']}"
    else:
        right = str(item["msg"]).replace("Input should be", "must be", 1)
    return {"in": place, "name": name, "value": value, "detail": f"{name} is {value}, {right}"}
