"""Payloads against OCPP's own JSON Schemas: what is tolerated, what is refused, and with which error code."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

import jsonschema_rs
import orjson

from ocpp_bridge.frames import Json


class Violation(StrEnum):
    """What is wrong with a payload, in words that every OCPP version has an error code for."""

    FORMAT = "format"
    PROPERTY = "property"
    OCCURRENCE = "occurrence"
    TYPE = "type"


TOLERATED = frozenset(
    {"AdditionalProperties", "MaxLength", "MaxItems", "MinItems", "UniqueItems", "Format", "MultipleOf"}
)
"""Deviations that lose no meaning: stations in the field have them, and refusing would only make them repeat."""

_VIOLATIONS = {
    "Type": Violation.TYPE,
    "Required": Violation.OCCURRENCE,
    "DependentRequired": Violation.OCCURRENCE,
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A payload after the check.

    Attributes:
        payload: as sent, or mended where that was needed: nulls taken out, whole floats made integers.
        deviations: what was tolerated, by kind.
        violation: what is wrong beyond tolerance, or None; `why` says it in words.
    """

    payload: Json
    deviations: tuple[str, ...] = ()
    violation: Violation | None = None
    why: str = ""


class Schemas:
    """The schemas of one OCPP version, compiled.

    Args:
        version: the directory of the `ocpp` package: `v16`, `v201` or `v21`.
    """

    def __init__(self, version: str) -> None:
        self.version = version
        suffix = "" if version == "v16" else "Request"
        compiled = {}
        for file in (resources.files("ocpp") / version / "schemas").iterdir():
            if file.name.endswith(".json"):
                compiled[file.name.removesuffix(".json")] = _compile(version, file.read_text(encoding="utf-8-sig"))
        self._answers = {
            name.removesuffix("Response"): found for name, found in compiled.items() if name.endswith("Response")
        }
        self._calls = {
            name.removesuffix(suffix): found
            for name, found in compiled.items()
            if not name.endswith("Response") and name.endswith(suffix)
        }

    def knows(self, action: str) -> bool:
        """Whether this version has such a request, in either direction."""
        return action in self._calls

    @property
    def actions(self) -> frozenset[str]:
        """Every request of this version, in either direction."""
        return frozenset(self._calls)

    def check_call(self, action: str, payload: Json) -> Checked:
        """Checks a request. Raises KeyError for an action that this version does not know."""
        return _check(self._calls[action], payload)

    def check_answer(self, action: str, payload: Json) -> Checked:
        """Checks the answer to `action`. Raises KeyError for an action that this version does not know."""
        return _check(self._answers[action], payload)


@cache
def schemas(version: str) -> Schemas:
    """The schemas of one version, compiled once."""
    return Schemas(version)


def _compile(version: str, text: str) -> Any:
    kind = jsonschema_rs.Draft4Validator if version == "v16" else jsonschema_rs.Draft6Validator
    return kind(orjson.loads(text))


def _check(validator: Any, payload: Json) -> Checked:
    if validator.is_valid(payload):
        return Checked(payload)
    mends: Counter[str] = Counter()
    mended = _mend(payload, mends)
    problems = list(validator.iter_errors(mended))
    kinds = [type(problem.kind).__name__ for problem in problems]
    deviations = (*mends, *dict.fromkeys(kind for kind in kinds if kind in TOLERATED))
    for problem, kind in zip(problems, kinds, strict=True):
        if kind not in TOLERATED:
            where = "/".join(str(part) for part in problem.instance_path)
            why = f"{where}: {problem.message}" if where else problem.message
            return Checked(mended, deviations, _VIOLATIONS.get(kind, Violation.PROPERTY), why)
    return Checked(mended, deviations)


def _mend(value: Any, mends: Counter[str]) -> Any:
    """Takes nulls out, which OCPP does not allow and stations send, and makes integers of floats like 1.0."""
    if isinstance(value, dict):
        kept = {key: _mend(inner, mends) for key, inner in value.items() if inner is not None}
        if len(kept) < len(value):
            mends["Null"] += len(value) - len(kept)
        return kept
    if isinstance(value, list):
        return [_mend(inner, mends) for inner in value]
    if isinstance(value, float) and value.is_integer():
        mends["WholeFloat"] += 1
        return int(value)
    return value
