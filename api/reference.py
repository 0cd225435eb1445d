"""The documentation page at /docs: the OpenAPI description as one page of HTML, with no script and no other host."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import orjson

Schema = Mapping[str, Any]

STYLE = """\
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #0a7d6b; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { margin-top: 2.5rem; text-transform: capitalize; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; } code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .7rem; overflow: auto; border-radius: 4px; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; }
th, td { text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); padding: .25rem .6rem .25rem 0; }
.method { display: inline-block; min-width: 3.2rem; font-weight: 700; color: var(--accent); }
.quiet { opacity: .7; }
"""


def render(openapi: Schema) -> str:
    """The page for an OpenAPI 3.1 document."""
    body = "".join(_sections(openapi))
    title = escape(openapi["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/docs.css"></head>'
        f"<body><h1>{title} <span class=quiet>{escape(openapi['info']['version'])}</span></h1>"
        f"<p>{escape(openapi['info'].get('description', ''))}</p>"
        '<p><a href="/openapi.json">openapi.json</a> · <a href="/">operations centre</a></p>'
        f"{body}</body></html>"
    )


def _sections(openapi: Schema) -> Iterator[str]:
    tag = None
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            here = operation.get("tags", ["other"])[0]
            if here != tag:
                tag = here
                yield f"<h2>{escape(here)}</h2>"
            yield _operation(openapi, path, method, operation)


def _operation(openapi: Schema, path: str, method: str, operation: Schema) -> str:
    head = (
        f"<summary><span class=method>{method.upper()}</span> <code>{escape(path)}</code> "
        f"<span class=quiet>{escape(operation.get('summary', ''))}</span></summary>"
    )
    parts = [f"<p>{escape(operation.get('description', ''))}</p>"]
    if method == "get" and "{" not in path and path != "/v1/live":
        parts.append(f'<p><a href="{escape(path)}">{escape(path)}</a></p>')
    if parameters := operation.get("parameters"):
        parts.append(_parameters(parameters))
    if body := operation.get("requestBody"):
        parts.append("<p>Body</p>" + _content(openapi, body["content"]))
    for status, response in operation["responses"].items():
        parts.append(f"<p><code>{status}</code> {escape(response.get('description', ''))}</p>")
        if status.startswith("2"):
            parts.append(_content(openapi, response.get("content", {})))
    return f"<details>{head}{''.join(parts)}</details>"


def _parameters(parameters: list[Schema]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code><td>{p['in']}<td>{escape(_kind(p['schema']))}"
        f"<td>{escape(p.get('description', ''))}</tr>"
        for p in parameters
    )
    return f"<table><tr><th>parameter<th>in<th>type<th></tr>{rows}</table>"


def _kind(schema: Schema) -> str:
    if "anyOf" in schema:
        return " | ".join(_kind(option) for option in schema["anyOf"] if option.get("type") != "null")
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    words = str(schema.get("type", ""))
    if "minimum" in schema and "maximum" in schema:
        words += f" {schema['minimum']}–{schema['maximum']}"
    return words + (f" = {schema['default']}" if schema.get("default") is not None else "")


def _content(openapi: Schema, content: Schema) -> str:
    shown = []
    for media in content.values():
        if "examples" in media:
            shown += [example["value"] for example in media["examples"].values()]
        elif "example" in media:
            shown.append(media["example"])
        elif "schema" in media:
            shown.append(example_of(openapi, media["schema"]))
    return "".join(f"<pre>{escape(_text(value))}</pre>" for value in shown)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def example_of(openapi: Schema, schema: Schema, depth: int = 0) -> Any:
    """A value that shows a schema: its own example, or one put together from those of its parts."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return example_of(openapi, openapi["components"]["schemas"][name], depth)
    if schema.get("examples"):
        return schema["examples"][0]
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    if "anyOf" in schema:
        return example_of(openapi, schema["anyOf"][0], depth)
    if "enum" in schema:
        return schema["enum"][0]
    if depth > 8:
        return None
    if "properties" in schema:
        return {name: example_of(openapi, inner, depth + 1) for name, inner in schema["properties"].items()}
    if schema.get("type") == "array":
        return [example_of(openapi, schema["items"], depth + 1)] if "items" in schema else []
    if isinstance(schema.get("additionalProperties"), Mapping):
        return {"…": example_of(openapi, schema["additionalProperties"], depth + 1)}
    return {"string": "…", "integer": 0, "number": 0, "boolean": False}.get(str(schema.get("type")))
