from typing import Any

import pytest

from api.reference import example_of, render

NODE = {"type": "object", "properties": {"name": {"type": "string"}, "next": {"$ref": "#/components/schemas/Node"}}}
DOCUMENT: dict[str, Any] = {"components": {"schemas": {"Node": NODE, "Code": {"examples": ["310104"]}}}}


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "string", "examples": ["a", "b"]}, "a"),
        ({"const": "Point"}, "Point"),
        ({"type": "integer", "default": 100}, 100),
        ({"enum": ["x", "y"]}, "x"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, 0),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Code"}}, ["310104"]),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, {"…": False}),
    ],
)
def test_an_example_is_made_of_the_schemas_parts(schema: dict[str, Any], example: Any) -> None:
    assert example_of(DOCUMENT, schema) == example


def test_a_schema_that_contains_itself_has_an_end() -> None:
    assert example_of(DOCUMENT, {"$ref": "#/components/schemas/Node"})["next"]["name"] == "…"


def test_text_of_the_description_cannot_become_markup() -> None:
    operation = {"tags": ["t"], "summary": "<script>", "responses": {"200": {"description": "<b>"}}}
    page = render({"info": {"title": "<i>", "version": "1"}, "paths": {"/<x>": {"get": operation}}, **DOCUMENT})
    for tag in ("<script", "<b>", "<i>", "<x>"):
        assert tag not in page
