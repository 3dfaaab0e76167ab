"""Fleet's HTTP API, for operators: models, chargers, their credentials and registration."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from chassis.database import Database
from chassis.http import Problem, require_operator
from contracts.words import ChargerId, GroupId
from fleet.chargers import RefusedError
from fleet.models import Catalogue
from fleet.operations import Operations, Outcome, UnknownChargerError
from fleet.requests import (
    ChargerPage,
    ChargerRegisteredAnswer,
    ChargerShown,
    ChargerWanted,
    Limit,
    ModelPage,
    NewPassword,
    RegistrationWanted,
)
from fleet.store import Store


def fleet_routes(database: Database, store: Store, operations: Operations, catalogue: Catalogue) -> APIRouter:
    """The routes, over these parts."""
    routes = APIRouter(prefix="/api/v1", dependencies=[Depends(require_operator)], tags=["fleet"])
    _add_reading(routes, database, store, catalogue)
    _add_changing(routes, database, store, operations)
    return routes


def _add_reading(routes: APIRouter, database: Database, store: Store, catalogue: Catalogue) -> None:
    @routes.get("/models")
    async def list_models() -> ModelPage:
        """The catalogue of models; one that it does not name can be restarted."""
        return ModelPage(items=list(catalogue.models))

    @routes.get("/fleet/chargers")
    async def list_chargers(
        after: Annotated[ChargerId | None, Query()] = None,
        limit: Annotated[Limit, Query()] = 100,
        group_id: Annotated[GroupId | None, Query()] = None,
    ) -> ChargerPage:
        """All chargers, page by page."""
        async with database.begin() as session:
            found = await store.page(session, after=after or "", limit=limit + 1, group_id=group_id)
        page = found[:limit]
        return ChargerPage(
            items=[ChargerShown.of(each) for each in page],
            next=page[-1].charger_id if len(found) > limit else None,
        )

    @routes.get("/fleet/chargers/{charger_id}")
    async def show_charger(charger_id: ChargerId) -> ChargerShown:
        return await _show(database, store, charger_id)


def _add_changing(routes: APIRouter, database: Database, store: Store, operations: Operations) -> None:
    @routes.put("/chargers/{charger_id}", response_model_exclude_unset=True)
    async def register_charger(
        charger_id: ChargerId, body: ChargerWanted, response: Response
    ) -> ChargerRegisteredAnswer:
        """Registers a charger, or changes one. Asking for the same again changes nothing."""
        async with database.begin() as session:
            (result,) = await operations.register(session, [body.wanted(charger_id)])
            if result.refusal is not None:
                raise _refused(result.refusal)
            found = await store.show(session, charger_id)
        if found is None:
            raise LookupError(f"charger {charger_id!r} was not saved")
        if result.outcome is Outcome.CREATED:
            response.status_code = 201
        made = {"password": result.password} if result.password is not None else {}
        return ChargerRegisteredAnswer.of(found, **made)

    @routes.delete("/chargers/{charger_id}", status_code=204)
    async def remove_charger(charger_id: ChargerId) -> None:
        """Removes a charger; it may no longer connect."""
        async with database.begin() as session:
            try:
                await operations.remove(session, charger_id)
            except UnknownChargerError as error:
                raise _not_found(error) from error

    @routes.post("/chargers/{charger_id}/credentials")
    async def make_new_password(charger_id: ChargerId, response: Response) -> NewPassword:
        """Replaces the charger's password; the answer shows the new one, once."""
        response.headers["cache-control"] = "no-store"
        async with database.begin() as session:
            try:
                password = await operations.make_new_password(session, charger_id)
            except UnknownChargerError as error:
                raise _not_found(error) from error
            except RefusedError as error:
                raise Problem(409, error.why) from error
        return NewPassword(charger_id=charger_id, password=password)

    @routes.put("/chargers/{charger_id}/registration")
    async def set_registration(charger_id: ChargerId, body: RegistrationWanted) -> ChargerShown:
        """Says what the charger's next boot is answered."""
        async with database.begin() as session:
            try:
                await operations.answer_boots_with(session, charger_id, body.registration)
            except UnknownChargerError as error:
                raise _not_found(error) from error
        return await _show(database, store, charger_id)


async def _show(database: Database, store: Store, charger_id: str) -> ChargerShown:
    async with database.begin() as session:
        found = await store.show(session, charger_id)
    if found is None:
        raise _not_found(UnknownChargerError(charger_id))
    return ChargerShown.of(found)


def _refused(refusal: RefusedError) -> Problem:
    errors = [{"field": f"body.{refusal.field}", "detail": refusal.why, "code": "refused"}]
    return Problem(422, f"{refusal.field}: {refusal.why}", errors=errors)


def _not_found(error: UnknownChargerError) -> Problem:
    return Problem(404, f"{str(error)[0].upper()}{str(error)[1:]}")
