"""Bringing in many chargers with one call, for operators."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Depends, Response
from pydantic import ValidationError

from chassis.database import Database
from chassis.http import require_operator
from fleet.operations import Operations, Outcome, Result
from fleet.requests import FieldError, Import, ImportedCharger, ImportResult, RowResult


def import_routes(database: Database, operations: Operations) -> APIRouter:
    """The route, over these parts."""
    routes = APIRouter(prefix="/api/v1", dependencies=[Depends(require_operator)], tags=["fleet"])

    @routes.post("/chargers:import", response_model_exclude_unset=True)
    async def import_chargers(body: Import, response: Response) -> ImportResult:
        """Registers many chargers: each row is taken whole or refused whole, and the answer says which and why."""
        response.headers["cache-control"] = "no-store"
        results, good = _check(body.chargers)
        async with database.begin() as session:
            outcomes = await operations.register(session, [row.wanted(row.charger_id) for row in good.values()])
        for index, result in zip(good, outcomes, strict=True):
            results[index] = _row_result(index, result)
        return ImportResult(results=[results[index] for index in sorted(results)])

    return routes


def _check(rows: Sequence[dict[str, Any]]) -> tuple[dict[int, RowResult], dict[int, ImportedCharger]]:
    """The refusals of rows that are wrong in themselves, and the other rows, both by index."""
    refused: dict[int, RowResult] = {}
    good: dict[int, ImportedCharger] = {}
    row_of: dict[str, int] = {}
    for index, values in enumerate(rows):
        try:
            row = ImportedCharger.model_validate(values)
        except ValidationError as error:
            named = values.get("charger_id")
            refused[index] = _refusal(index, named if isinstance(named, str) else None, _field_errors(error))
            continue
        first = row_of.setdefault(row.charger_id, index)
        if first != index:
            twice = FieldError(field="charger_id", detail=f"row {first + 1} names the same charger")
            refused[index] = _refusal(index, row.charger_id, [twice])
        else:
            good[index] = row
    return refused, good


def _field_errors(error: ValidationError) -> list[FieldError]:
    errors = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        field = ".".join(str(part) for part in problem["loc"])
        detail = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "string_pattern_mismatch":
            detail = _SPELLED.get(field, "it holds a line break or another control character")
        errors.append(FieldError(field=field, detail=detail))
    return errors


_SPELLED = {
    "charger_id": "it is 1 to 48 letters, digits and characters of *-_=+|@.",
    "group_id": "it is 1 to 64 letters, digits and characters of _.-, and begins with a letter or digit",
}
"""What the patterns of identities mean."""


def _row_result(index: int, result: Result) -> RowResult:
    if result.refusal is not None:
        why = FieldError(field=result.refusal.field, detail=result.refusal.why)
        return _refusal(index, result.charger_id, [why])
    made = {"password": result.password} if result.password is not None else {}
    return RowResult(row=index + 1, charger_id=result.charger_id, status=result.outcome, **made)


def _refusal(index: int, charger_id: str | None, errors: list[FieldError]) -> RowResult:
    detail = "; ".join(f"{error.field}: {error.detail}" for error in errors)
    return RowResult(row=index + 1, charger_id=charger_id, status=Outcome.REFUSED, detail=detail, errors=errors)
