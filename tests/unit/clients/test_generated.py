"""The OpenAPI document and the clients are what `make clients` writes, and nobody has changed them by hand."""

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[3]
CLIENTS = ROOT / "clients"
AGAIN = "run `make clients` and commit what it writes"
METHODS = {"get", "put", "post", "delete"}


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_clients", CLIENTS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads((CLIENTS / "openapi.json").read_text())


def operations(document: Any) -> dict[str, Any]:
    return {
        operation["operationId"]: operation
        for item in document["paths"].values()
        for method, operation in item.items()
        if method in METHODS
    }


def test_what_other_services_say_of_their_calls_is_repeated_as_they_say_it(generate: Any) -> None:
    committed = generate.openapi.FORWARDED.read_text()

    assert committed == generate.written(generate.forwarded()), AGAIN


def test_the_committed_document_is_the_one_that_is_served(generate: Any) -> None:
    assert (CLIENTS / "openapi.json").read_text() == generate.written(generate.document()), AGAIN


def test_the_clients_are_generated_from_that_document_and_untouched_since(generate: Any) -> None:
    assert json.loads((CLIENTS / "generated.json").read_text()) == generate.fingerprints(), AGAIN


def test_every_call_has_a_name_of_its_own_in_both_clients(document: Any) -> None:
    named = operations(document)
    python = {file.stem for file in (CLIENTS / "python/src/comeback_client/api").rglob("*.py")} - {"__init__"}
    typescript = (CLIENTS / "typescript/src/sdk.gen.ts").read_text()

    assert len(named) == sum(len(METHODS & set(item)) for item in document["paths"].values())
    assert python == set(named)
    for name in named:
        camel = re.sub(r"_(.)", lambda found: found[1].upper(), name)
        assert f"export const {camel} = " in typescript, name


def test_every_call_has_an_example_of_what_it_takes_and_answers(document: Any) -> None:
    for name, operation in operations(document).items():
        answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        for content in (content for answer in answers for content in answer.get("content", {}).values()):
            assert "example" in content, name
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                assert "example" in parameter, (name, parameter["name"])
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert "example" in content, name
        for status in ("401", "422", "429"):
            assert "example" in operation["responses"][status]["content"]["application/problem+json"], (name, status)


def test_every_example_is_as_its_schema_says(document: Any) -> None:
    def check(name: str, part: Any) -> None:
        if "example" not in part:
            return
        schema = part.get("schema", {}) | {"components": document["components"]}
        problems = [each.message for each in Draft202012Validator(schema).iter_errors(part["example"])]
        assert problems == [], name

    for name, operation in operations(document).items():
        for answer in operation["responses"].values():
            for content in answer.get("content", {}).values():
                check(name, content)
        for parameter in operation.get("parameters", ()):
            check(f"{name} {parameter['name']}", parameter)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            check(name, content)
