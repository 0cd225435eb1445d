"""Answers made of ready bytes: JSON by orjson, and live documents with their ETag."""

from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response

from api import models
from api.snapshot import Snapshot

PROBLEM_REFERENCE = {"$ref": "#/components/schemas/Problem"}


def json_response(content: Any, status: int = 200) -> Response:
    """``content`` as JSON."""
    return Response(orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS), status, media_type="application/json")


def not_modified(request: Request, etag: str) -> bool:
    """Whether the caller already has what ``etag`` names (If-None-Match; weak comparison as RFC 9110 asks)."""
    given = request.headers.get("if-none-match", "")
    return given.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in given.split(","))


def live_response(snapshot: Snapshot, content: bytes | None) -> Response:
    """A live document; 304 with no body (``content`` None is then never made)."""
    headers = {"ETag": snapshot.etag, "Cache-Control": "no-cache"}
    if content is None:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/json")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the errors a route can answer with."""
    words = {
        401: "no valid API key",
        403: "a browser asks on behalf of another host's page",
        404: "the path names nothing that is there",
        409: "it would contradict what is stored",
        413: "the body is too large",
        422: "a value of the request is wrong",
        429: "as many are under way as are taken at a time",
        503: "something behind the API is away",
    }
    content = {"application/problem+json": {"schema": PROBLEM_REFERENCE}}
    return {status: {"description": words[status], "content": content} for status in statuses}


def live_model(model: type[models.Shape]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of a live document: its model, its ETag, and 304."""
    etag = {"ETag": {"description": "changes with every tick", "schema": {"type": "string"}}}
    return {200: {"model": model, "headers": etag}, 304: {"description": "unchanged since the ETag of If-None-Match"}}
