"""A JSON Schema laid flat: every field by its path, with the facts that readers rely on."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

ABSENT = "(none)"
"""Stands for a default that the schema does not state."""

_SPOKEN_FOR = {"type", "$ref", "$defs", "$schema", "anyOf", "oneOf", "properties", "required", "items", "enum", "const"}
_SPOKEN_FOR |= {"additionalProperties", "propertyNames", "default"}
_FOR_PEOPLE = {"title", "description", "examples", "deprecated"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        path: `verdict.cause`; `[]` is an element of a list, `{}` a value and `{key}` a key of a mapping.
        parent: the path of the field it is part of; empty for the body itself.
        type: in words, for instance `string or null`.
        required: it must be present.
        default: as JSON, or ABSENT.
        values: those of a closed enum, else None.
        limits: format, pattern, length and every other rule on the value, as JSON.
    """

    path: str
    parent: str
    type: str
    required: bool
    default: str = ABSENT
    values: frozenset[str] | None = None
    limits: Mapping[str, str] = field(default_factory=dict)


Fields = Mapping[str, Field]


def fields_of(schema: Mapping[str, Any]) -> Fields:
    """Every field of the schema by its path; the body itself has the empty path."""
    return {found.path: found for found in _walk(schema, schema.get("$defs", {}), "", "", required=True)}


def _walk(
    node: Mapping[str, Any],
    defs: Mapping[str, Any],
    path: str,
    parent: str,
    *,
    required: bool,
    inside: tuple[str, ...] = (),
) -> Iterator[Field]:
    default = json.dumps(node["default"], sort_keys=True) if "default" in node else ABSENT
    node, inside = _resolved(node, defs, inside)
    options = [_resolved(option, defs, inside)[0] for option in node.get("anyOf", node.get("oneOf", [node]))]
    nullable = any(option.get("type") == "null" for option in options)
    shapes = [option for option in options if option.get("type") != "null"] or options
    words = [_type(shape) for shape in shapes]
    yield Field(
        path=path,
        parent=parent,
        type=" or ".join([*words, "null"] if nullable and words != ["null"] else words),
        required=required,
        default=default,
        values=_values(shapes),
        limits=_limits(node, shapes),
    )
    for number, shape in enumerate(shapes):
        within = path if len(shapes) == 1 else f"{path}({number + 1})"
        yield from _parts(shape, defs, within, path, inside)


def _parts(
    shape: Mapping[str, Any], defs: Mapping[str, Any], within: str, parent: str, inside: tuple[str, ...]
) -> Iterator[Field]:
    for name, child in shape.get("properties", {}).items():
        path = f"{within}.{name}" if within else name
        if _recurs(child, inside):
            continue
        yield from _walk(child, defs, path, parent, required=name in shape.get("required", ()), inside=inside)
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}"), ("propertyNames", "{key}")):
        child = shape.get(keyword)
        if isinstance(child, Mapping) and not _recurs(child, inside):
            yield from _walk(child, defs, within + mark, parent, required=False, inside=inside)


def _resolved(
    node: Mapping[str, Any], defs: Mapping[str, Any], inside: tuple[str, ...]
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    if "$ref" not in node:
        return node, inside
    name = node["$ref"].rpartition("/")[2]
    beside = {key: value for key, value in node.items() if key != "$ref"}
    return {**defs[name], **beside}, (*inside, name)


def _recurs(node: Mapping[str, Any], inside: tuple[str, ...]) -> bool:
    return node.get("$ref", "").rpartition("/")[2] in inside


def _type(shape: Mapping[str, Any]) -> str:
    return str(shape.get("type", "any value"))


def _values(shapes: list[Mapping[str, Any]]) -> frozenset[str] | None:
    found = [shape.get("enum", [shape["const"]] if "const" in shape else None) for shape in shapes]
    closed = [values for values in found if values is not None]
    if len(closed) < len(shapes):
        return None
    return frozenset(json.dumps(value) for values in closed for value in values)


def _limits(node: Mapping[str, Any], shapes: list[Mapping[str, Any]]) -> dict[str, str]:
    limits: dict[str, str] = {}
    for number, shape in enumerate([node, *shapes] if [node] != shapes else shapes):
        for keyword, value in shape.items():
            if keyword in _FOR_PEOPLE or (keyword in _SPOKEN_FOR and not _closes(keyword, value)):
                continue
            name = keyword if keyword not in limits else f"{keyword}({number})"
            limits[name] = json.dumps(value, sort_keys=True)
    return limits


def _closes(keyword: str, value: Any) -> bool:
    """`additionalProperties: false` is a limit, not a part."""
    return keyword == "additionalProperties" and value is False
