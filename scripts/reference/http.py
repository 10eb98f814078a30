"""The page about the HTTP interface, from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

from scripts.reference.markdown import NOTE, anchor, sentence, table

FIRST_ERROR: Final = 400
INTRODUCTION: Final = """\
# HTTP interface

A running service shows the same at `/docs`, where each request can be tried; `fetalhead openapi` prints the document
behind both. Errors are `application/problem+json`: [errors](../errors.md) lists their codes."""
VALUES: Final = """\
## Values

The JSON objects that the service takes and returns. Volumes are in mL, lengths in mm, times in ISO 8601 (UTC)."""


def page() -> str:
    """Return the page."""
    document = _openapi()
    schemas: dict[str, Any] = document["components"]["schemas"]
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    overview = table(["request", "what it does"], ([f"[`{n}`]({anchor(n)})", o["summary"]] for n, o in operations))
    parts = [NOTE, INTRODUCTION, overview]
    parts += [part for name, operation in operations for part in _operation(name, operation)]
    parts += [VALUES, *(part for name, schema in sorted(schemas.items()) for part in _schema(name, schema))]
    return "\n\n".join(parts) + "\n"


def _openapi() -> dict[str, Any]:
    from app.main import create_app  # noqa: PLC0415  # seconds that only this page needs
    from app.settings import Settings  # noqa: PLC0415

    document: dict[str, Any] = create_app(Settings(data_dir=Path(gettempdir()))).openapi()
    return document


def _operation(name: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## {name}"
    yield operation.get("description") or sentence(operation["summary"])
    rows = [(p["name"], p["in"], p.get("description", "")) for p in operation.get("parameters", ())]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        fields = content["schema"].get("properties", {})
        rows += [(field, f"`{kind}`", value.get("description", "")) for field, value in fields.items()]
    if rows:
        yield table(["takes", "in", "meaning"], ([f"`{n}`", where, text] for n, where, text in rows))
    yield table(["status", "answer", "as"], _answers(operation))
    yield f"Errors: {_errors(operation)}."


def _answers(operation: dict[str, Any]) -> Iterator[list[str]]:
    """Yield each success with its form: the value's name for JSON, the media type for anything else."""
    for status, response in sorted(operation["responses"].items()):
        if int(status) < FIRST_ERROR:
            content = response.get("content", {})
            forms = [
                _type(c["schema"]) if "$ref" in c.get("schema", {}) else f"`{kind}`" for kind, c in content.items()
            ]
            text = response.get("description", "")
            yield [status, "" if text == "Successful Response" else text, ", ".join(forms)]


def _errors(operation: dict[str, Any]) -> str:
    responses = sorted(operation["responses"].items())
    return ", ".join(f"{status} {r['description'].lower()}" for status, r in responses if int(status) >= FIRST_ERROR)


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    fields = schema.get("properties", {})
    yield f"### {name}"
    yield schema.get("description") or ""
    yield table(
        ["field", "type", "meaning"],
        ([f"`{field}`", _type(value), value.get("description", "")] for field, value in fields.items()),
    )


def _type(schema: dict[str, Any]) -> str:
    """Return the type in words, with a link where it is another value of this page."""
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "prefixItems" in schema:
        return "[" + ", ".join(_type(one) for one in schema["prefixItems"]) + "]"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return _simple_type(schema)


def _simple_type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}]({anchor(name)})"
    if literals := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return ", ".join(f"`{value}`" for value in literals)
    kind = schema.get("type", "any")
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)
