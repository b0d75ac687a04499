"""The OpenAPI document, read: its operations by listener, and what its schemas say of a value."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

TOP = Path(__file__).resolve().parents[2]
DOCUMENT = json.loads(
    (TOP / "media_gate" / "web" / "pages" / "openapi.json").read_text(encoding="utf-8")
)
COMPONENTS = DOCUMENT["components"]
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def operations(*, public: bool) -> dict[str, dict[str, Any]]:
    """Those of one listener, as "GET /path"."""
    return {
        f"{method.upper()} {path}": item[method]
        for path, item in DOCUMENT["paths"].items()
        for method in METHODS & item.keys()
        if ("servers" in item) == public
    }


PUBLIC, INTERNAL = operations(public=True), operations(public=False)
ALL = PUBLIC | INTERNAL


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    children = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for child in children:
            yield from nodes(child)


def resolved(value: dict[str, Any]) -> dict[str, Any]:
    """What a reference leads to, or the value itself."""
    if "$ref" not in value:
        return value
    found = DOCUMENT
    for name in value["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def parameters(call: str) -> list[dict[str, Any]]:
    """Of an operation, those of its path included."""
    item = DOCUMENT["paths"][call.split(" ")[1]]
    listed = item.get("parameters", []) + ALL[call].get("parameters", [])
    return [resolved(parameter) for parameter in listed]


# The part of JSON Schema that the document uses. A word that is not here stops the test, so
# nothing in a schema is passed over in silence.
TYPES = {"object": dict, "array": list, "string": str, "integer": int}
ANNOTATIONS = {"description", "examples", "default"}
LIMITS = {
    "const": lambda value, limit: type(value) is type(limit) and value == limit,
    "enum": lambda value, limit: value in limit,
    "pattern": lambda value, limit: re.search(limit, value),
    "minimum": lambda value, limit: value >= limit,
    "maximum": lambda value, limit: value <= limit,
    "minLength": lambda value, limit: len(value) >= limit,
    "maxLength": lambda value, limit: len(value) <= limit,
    "minItems": lambda value, limit: len(value) >= limit,
    "maxItems": lambda value, limit: len(value) <= limit,
    "required": lambda value, limit: value.keys() >= set(limit),
}
STRUCTURE = {"type", "properties", "additionalProperties", "items"}


def faults(value: Any, schema: dict[str, Any], where: str = "$") -> list[str]:
    """Where a value is not what the schema says, or has a field that it does not name."""
    schema = resolved(schema)
    assert schema.keys() <= LIMITS.keys() | STRUCTURE | ANNOTATIONS, schema
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or isinstance(value, bool)):
        return [f"{where} is no {kind}"]
    found = [
        f"{where}: {word}"
        for word, holds in LIMITS.items()
        if word in schema and not holds(value, schema[word])
    ]
    if kind == "array":
        for item in value:
            found += faults(item, schema["items"], f"{where}[]")
    if kind == "object":
        known, other = schema.get("properties", {}), schema.get("additionalProperties")
        for name, inner in value.items():
            if name in known or other:
                found += faults(inner, known.get(name, other), f"{where}.{name}")
            else:
                found.append(f"{where}.{name} is not named")
    return found


def faults_of_answer(call: str, status: int, content_type: str, body: Any) -> list[str]:
    """Where an answer is not what the document says of it."""
    response = ALL[call]["responses"].get(str(status))
    if response is None:
        return [f"{call} does not name {status}"]
    content = resolved(response).get("content", {})
    if content_type not in content:
        return [f"{call} {status} is not {content_type}"]
    return faults(body, content[content_type]["schema"])
