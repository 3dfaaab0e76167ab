"""The OpenAPI document: the portal's own calls, and those that other services own, with examples and problems."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from chassis.http import PROBLEM
from portal.charger_calls_api import NewPassword

FORWARDED = Path(__file__).with_name("forwarded.json")
"""The calls that other services own, as those describe them. `make clients` writes it."""

API_VERSION = "1.0.0"
DESCRIPTION = """
Restart chargers and see whether they came back. An accepted request is an *attempt*; what became of it is its
*verdict*, with the evidence that it rests on.

- Sign in with `POST /api/v1/login` and send the token as `Authorization: Bearer …`.
- Errors are problem details (RFC 9457); `errors` names each field that is wrong.
- Asking for a restart takes an `Idempotency-Key`: the same key is the same attempt, however often it is sent. With
  another body than at first it is a mistake, answered 422.
- Lists come in pages: `next` of one page is `after` of the following one.
- Who asks too much is answered 429 with `Retry-After`, in seconds.
- `GET` answers have an `ETag`; with `If-None-Match` an answer that still holds is 304.
- Additions are made without a new version: ignore fields that you don't know.
"""
TAGS = (
    ("chargers", "Chargers, and what stands in the way of a restart."),
    ("restarts", "Asking for restarts, following them and reading their verdicts."),
    ("events", "What changes, as it changes, as server-sent events."),
    ("me", "Who is asking."),
    ("auth", "Signing in, people, groups and their members."),
    ("billing", "Plans."),
    ("operators", "What the platform's operators do with a charger over OCPP."),
    ("fleet", "Registering chargers, their models and credentials."),
)
_METHODS = frozenset({"get", "put", "post", "delete", "patch"})
_ABOUT = {
    "401": "Not signed in, or the token has expired.",
    "403": "Not allowed.",
    "404": "There is none that you may know of.",
    "409": "What is there already, or what happened meanwhile, forbids it.",
    "422": "The request is not understood; the fields are named.",
    "429": "Too many requests; `Retry-After` says when to go on.",
    "503": "A part that is needed does not answer; the same request may be sent again.",
    "default": "Any other problem.",
}
_MAY_CREATE = frozenset({"define_group", "grant_role", "register_charger"})
_PROBLEM_SCHEMA: Mapping[str, Any] = {
    "title": "Problem",
    "description": "What is wrong (RFC 9457): `title` is the same for the kind, `detail` is about this request.",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/ProblemField"}},
    },
}
_FIELD_SCHEMA: Mapping[str, Any] = {
    "title": "ProblemField",
    "description": "A field that is missing or wrong: `body.label`, `query.limit`, `path.charger_id`, …",
    "type": "object",
    "required": ["field", "detail", "code"],
    "properties": {"field": {"type": "string"}, "detail": {"type": "string"}, "code": {"type": "string"}},
}
_TITLES = {
    "401": ("Not signed in", "Sign in first: this call needs an access token as `Authorization: Bearer …`"),
    "403": ("Not allowed", "Only a super-administrator of group 'harbour' may do this; you are user there"),
    "404": ("Not found", "No such charger, or not in your groups."),
    "409": ("Conflict", "It was sent to the charger already."),
    "422": ("Not understood", "These fields are missing or wrong: query.limit"),
    "429": ("Too many requests", "You made 3000 requests in the last minute; try again in 7 s"),
    "503": ("fleet is not available", "This is not possible at the moment: the fleet service did not answer in time"),
    "default": ("Too large", "The body has more than 8000000 bytes"),
}


def called_by_name(route: APIRoute) -> str:
    """The operation id: the name of the function, which is a client's name for the call too."""
    return route.name


def own(app: FastAPI) -> dict[str, Any]:
    """What the portal's own routes say."""
    return get_openapi(
        title="Comeback",
        version=API_VERSION,
        summary="Restart EV chargers from afar, and know whether they came back.",
        description=DESCRIPTION.strip(),
        routes=app.routes,
        tags=[{"name": name, "description": about} for name, about in TAGS],
    )


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document."""
    from portal.examples import EXAMPLES

    spec = own(app)
    _merge(spec, forwarded())
    schemas = spec["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _tell_of_passwords_over_ocpp(spec)
    schemas["Problem"], schemas["ProblemField"] = _PROBLEM_SCHEMA, _FIELD_SCHEMA
    spec["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "From `login`."}
    }
    for path, method, operation in operations(spec):
        _complete(operation, path, method)
        _exemplify(operation, EXAMPLES.get(operation["operationId"], {}))
    return spec


def serving(app: FastAPI) -> Callable[[], bytes]:
    """Makes the document when it is asked for first, and keeps it."""

    @cache
    def served() -> bytes:
        return json.dumps(document(app), ensure_ascii=False).encode()

    return served


def operations(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every call of a document: path, method and what is said of it."""
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                yield path, method, operation


def forwarded() -> dict[str, Any]:
    """What other services say of the calls that they own."""
    found: dict[str, Any] = json.loads(FORWARDED.read_bytes())
    return found


def _merge(spec: dict[str, Any], other: Mapping[str, Any]) -> None:
    for path, item in other["paths"].items():
        spec["paths"].setdefault(path, {}).update(item)
    spec.setdefault("components", {}).setdefault("schemas", {}).update(other["schemas"])


def _tell_of_passwords_over_ocpp(spec: dict[str, Any]) -> None:
    """New credentials are fleet's, unless the charger itself is to take them: then the portal answers."""
    operation = spec["paths"]["/api/v1/chargers/{charger_id}/credentials"]["post"]
    schemas = spec["components"]["schemas"]
    schemas["PasswordOverOcpp"] = NewPassword.model_json_schema() | {"title": "PasswordOverOcpp"}
    content = operation.setdefault("requestBody", {"content": {}})["content"].setdefault("application/json", {})
    ways = [{"$ref": "#/components/schemas/PasswordOverOcpp"}]
    content["schema"] = {"anyOf": [content["schema"], *ways]} if "schema" in content else ways[0]


def _complete(operation: dict[str, Any], path: str, method: str) -> None:
    """Says who may call it, and every kind of problem that it may answer with."""
    is_open = operation["operationId"] == "sign_in"
    operation["security"] = [] if is_open else [{"token": []}]
    kinds = ["401", "422", "429", "default"]
    if "{" in path:
        kinds.append("404")
    if method != "get":
        kinds += ["403", "409", "503"]
    responses = operation["responses"]
    if operation["operationId"] in _MAY_CREATE:
        responses["201"] = responses["200"] | {"description": "It is new."}
    for status, response in responses.items():
        if status.isdigit() and int(status) >= 400:  # noqa: PLR2004 what is a problem
            response["content"] = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for kind in sorted(kinds):
        title, detail = _TITLES[kind]
        example: dict[str, Any] = {"type": "about:blank", "title": title, "detail": detail, "instance": path}
        example["status"] = 413 if kind == "default" else int(kind)
        if kind == "422":
            wrong = {
                "field": "query.limit",
                "detail": "Input should be less than or equal to 1000",
                "code": "less_than",
            }
            example["errors"] = [wrong]
        responses[kind] = {
            "description": _ABOUT[kind],
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
        }
        if kind == "429":
            responses[kind]["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    if any(parameter["name"] == "If-None-Match" for parameter in operation.get("parameters", ())):
        responses["304"] = {"description": "What you have still holds."}
        responses["200"]["headers"] = {"ETag": {"schema": {"type": "string"}}}
    if operation["operationId"] == "request_restart":
        responses["202"]["headers"] = {"Location": {"description": "Of the attempt.", "schema": {"type": "string"}}}


def _exemplify(operation: dict[str, Any], example: Mapping[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in example.get("parameters", {}):
            parameter["example"] = example["parameters"][parameter["name"]]
    if "body" in example:
        operation["requestBody"]["content"]["application/json"]["example"] = example["body"]
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            for content in response.get("content", {}).values():
                if "answer" in example:
                    content["example"] = example["answer"]
