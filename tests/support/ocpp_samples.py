"""Payloads made from OCPP's own JSON Schemas: the smallest that each allows."""

from importlib import resources
from typing import Any

import orjson

VERSIONS = {"ocpp1.6": "v16", "ocpp2.0.1": "v201", "ocpp2.1": "v21"}
MOMENT = "2026-03-04T10:00:00.000Z"


def actions(protocol: str) -> list[str]:
    """Every request of a version, in either direction."""
    suffix = "" if protocol == "ocpp1.6" else "Request"
    names = [file.name.removesuffix(".json") for file in _folder(protocol).iterdir() if file.name.endswith(".json")]
    return sorted(
        name.removesuffix(suffix) for name in names if name.endswith(suffix) and not name.endswith("Response")
    )


def sample(protocol: str, action: str) -> dict[str, Any]:
    """The smallest request that the schema of an action allows."""
    suffix = "" if protocol == "ocpp1.6" else "Request"
    schema = orjson.loads((_folder(protocol) / f"{action}{suffix}.json").read_text(encoding="utf-8-sig"))
    made: dict[str, Any] = _make(schema, schema)
    return made


def _folder(protocol: str) -> Any:
    return resources.files("ocpp") / VERSIONS[protocol] / "schemas"


def _make(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    if "$ref" in schema:
        found = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return _make(found, root)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: _make(properties[name], root) for name in schema.get("required", ())}
    if kind == "array":
        return [_make(schema["items"], root) for _ in range(schema.get("minItems", 0))]
    if kind in {"integer", "number"}:
        return schema.get("minimum", 0)
    if kind == "boolean":
        return False
    return MOMENT if schema.get("format") == "date-time" else "x"
