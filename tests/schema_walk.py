"""Walk JSON Schemas: every place where a text may stand, and what bounds it. Knows JSON Schema; not our messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]


def resolved(document: Schema, schema: Schema) -> Schema:
    """The schema, or the one that it refers to in ``document``."""
    if "$ref" not in schema:
        return schema
    found = document
    for key in schema["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return found


def texts(document: Schema, schema: Schema, place: str) -> Iterator[tuple[str, Schema]]:
    """Each place below ``schema`` where a string may stand, with its schema; ``{}`` stands for a name that is free.

    Bytes are left out, and so is whatever a ``const`` or an ``enum`` closes.
    """
    schema = resolved(document, schema)
    for part in (*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from texts(document, part, place)
    if schema.get("type") == "object":
        for name, inner in schema.get("properties", {}).items():
            yield from texts(document, inner, f"{place}.{name}")
        rest = schema.get("additionalProperties", True)
        if rest is not False:
            yield f"{place}{{}}", schema.get("propertyNames", {})
            yield from texts(document, rest if isinstance(rest, dict) else {}, f"{place}{{}}.")
    elif schema.get("type") == "array":
        yield from texts(document, schema["items"], f"{place}[]")
    elif _open(schema):
        yield place, schema


def _open(schema: Schema) -> bool:
    closed = not {"const", "enum", "allOf", "anyOf", "oneOf", "contentEncoding"}.isdisjoint(schema)
    return not closed and schema.get("type") not in ("integer", "number", "boolean", "null")
