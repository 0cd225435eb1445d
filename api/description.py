"""The OpenAPI description: what FastAPI derives, with one shape for every error and an example for every answer."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import models
from api.reference import example_of
from api.responses import PROBLEM_REFERENCE, problems

_REF = "#/components/schemas/{model}"


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of ``app``."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name, model in (("Problem", models.ProblemShape), ("Device", models.Device)):
        schema = model.model_json_schema(ref_template=_REF)
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = schema
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _add_security(app, document)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith("/v1/"):
                _add_common(operation, keys=bool(app.state.services.keyring))
            _finish(document, operation)
    return document


def _add_common(operation: dict[str, Any], *, keys: bool) -> None:
    """The errors that a route has without saying so: a misspelt parameter, a missing key, a body too large."""
    common = [422] + [401] * keys + [413] * ("requestBody" in operation)
    for status, answer in problems(*common).items():
        operation["responses"].setdefault(str(status), answer)


def _finish(document: dict[str, Any], operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    if "application/json" in answers.get("422", {}).get("content", {}):
        problem = {"application/problem+json": {"schema": PROBLEM_REFERENCE}}
        answers["422"] = {"description": "a value of the request is wrong", "content": problem}
    for answer in answers.values():
        for media in answer.get("content", {}).values():
            if "schema" in media and not ("example" in media or "examples" in media):
                media["example"] = example_of(document, media["schema"])


def _add_security(app: FastAPI, document: dict[str, Any]) -> None:
    if not app.state.services.keyring:
        return
    document["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "bearerFormat": "id.secret"}
    }
    for path, operations in document["paths"].items():
        if path.startswith("/v1/"):
            for operation in operations.values():
                operation["security"] = [{"key": []}]
