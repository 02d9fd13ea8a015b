"""The description of the interface for people, made from the one for programs (OpenAPI)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from brats3d.viewer.http.templating import render

_REFERENCE = "#/components/schemas/"


def documentation_page(openapi: Mapping[str, Any], version: str) -> str:
    """HTML of an OpenAPI description.

    Args:
        openapi: The description.
        version: Version of the style sheet.
    """
    schemas = openapi.get("components", {}).get("schemas", {})
    return render(
        "api.html",
        version=version,
        info=openapi["info"],
        operations=list(_operations(openapi["paths"])),
        schemas=[_schema(name, schema) for name, schema in schemas.items()],
    )


def _operations(paths: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield {
                "method": method.upper(),
                "path": path,
                "summary": operation.get("summary", ""),
                "description": operation.get("description", ""),
                "parameters": [_parameter(own) for own in operation.get("parameters", [])],
                "body": _content(operation["requestBody"]) if "requestBody" in operation else None,
                "answers": [
                    {"status": status, **_content(answer)}
                    for status, answer in operation["responses"].items()
                ],
            }


def _parameter(parameter: Mapping[str, Any]) -> dict[str, str]:
    return {
        "name": parameter["name"],
        "where": parameter["in"],
        "description": parameter.get("description") or "",
    }


def _content(part: Mapping[str, Any]) -> dict[str, str | None]:
    for media_type, content in part.get("content", {}).items():
        schema = content.get("schema") or {}
        shown = _kind(schema)
        if media_type != "application/json" or shown["kind"] == "any":
            return {"kind": media_type, "schema": None}
        return shown
    return {"kind": part.get("description") or "empty", "schema": None}


def _schema(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    fields = schema.get("properties", {})
    return {
        "name": name,
        "description": schema.get("description", ""),
        "fields": [
            {"name": field, "description": content.get("description", ""), **_kind(content)}
            for field, content in fields.items()
        ],
    }


def _kind(schema: Mapping[str, Any]) -> dict[str, str | None]:
    """What a value is, in words, and the schema that explains it."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REFERENCE)
        return {"kind": name, "schema": name}
    if "anyOf" in schema:
        parts = [_kind(part) for part in schema["anyOf"]]
        named = next((part["schema"] for part in parts if part["schema"]), None)
        return {"kind": " or ".join(str(part["kind"]) for part in parts), "schema": named}
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return {"kind": " or ".join(map(str, values)), "schema": None}
    for key, words in (("items", "list of "), ("additionalProperties", "by name: ")):
        if isinstance(schema.get(key), Mapping):
            inner = _kind(schema[key])
            return {"kind": f"{words}{inner['kind']}", "schema": inner["schema"]}
    return {"kind": str(schema.get("type", "any")), "schema": None}
