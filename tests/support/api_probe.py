"""Sends what schemathesis makes up for the calls of an OpenAPI document, and checks each answer against it."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CONFORMS = (
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
"""Every answer is as the document says."""
ENDLESS = frozenset({"get_events", "get_restart_events"})
BOTH = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
"""What the document allows, and what it forbids."""


@dataclass(frozen=True)
class Probe:
    """Asks in one person's name.

    Attributes:
        examples: how many of each call and mode.
        checks: of the answers to all calls.
        more: further ones, of those calls that `lenient` does not name.
    """

    url: str
    token: str
    examples: int
    checks: Sequence[Any] = CONFORMS
    more: Sequence[Any] = ()
    lenient: frozenset[str] = frozenset()

    async def every_call(self, document: dict[str, Any], modes: Iterable[GenerationMode] = BOTH) -> int:
        """How many requests were sent."""
        schema: Any = schemathesis.openapi.from_dict(document)
        sent = 0
        for mode in modes:
            for result in schema.get_all_operations():
                operation = result.ok()
                if operation.definition.raw["operationId"] in ENDLESS:
                    continue
                try:
                    sent += await asyncio.to_thread(self._call, operation, mode)
                except Unsatisfiable:
                    continue  # nothing can be wrong with a call that takes nothing
        return sent

    def _call(self, operation: Any, mode: GenerationMode) -> int:
        sent = 0
        is_lenient = operation.definition.raw["operationId"] in self.lenient
        checks = [*self.checks, *(() if is_lenient else self.more)]

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=self.examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any) -> None:
            nonlocal sent
            sent += 1
            answer = case.call(base_url=self.url, headers={"authorization": f"Bearer {self.token}"})
            case.validate_response(answer, checks=checks)

        ask()
        return sent
