"""Composes fleet: settings, tables, what it reads and what it serves."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from chassis.app import CannotStartError, Service
from chassis.consumer import subscribe, subscribe_by_driver
from chassis.database import Transaction
from chassis.memberships import Rights
from chassis.projection import Projection
from contracts import topics
from contracts.calls import PasswordAccepted
from contracts.envelope import Envelope
from fleet.import_routes import import_routes
from fleet.models import Catalogue, CatalogueUnreadableError
from fleet.operations import Operations
from fleet.policies import Policies
from fleet.policy_routes import policy_routes
from fleet.projections import PROJECTIONS
from fleet.routes import fleet_routes
from fleet.settings import Settings
from fleet.store import Store
from fleet.tables import memberships, metadata

MAX_IMPORT_BYTES = 4 * 1024 * 1024


def build(settings: Settings | None = None) -> Service:
    """The service, ready to run. Raises CannotStartError."""
    settings = settings or Settings()
    try:
        catalogue = Catalogue.read(settings.models_file)
    except CatalogueUnreadableError as error:
        raise CannotStartError(str(error)) from error
    service = Service(topics.Service.FLEET.value, settings, metadata, http_options={"max_body_bytes": MAX_IMPORT_BYTES})
    store = Store(service.outbox, service.clock)
    operations = Operations(store, catalogue)

    async def follow_catalogue() -> None:
        async with service.database.begin() as session:
            await operations.follow_catalogue(session)

    service.on_start(follow_catalogue)
    for projection in PROJECTIONS.values():
        for topic in projection.topics:
            subscribe_by_driver(service, topic, partial(_apply, projection))

    async def on_credential_change(session: AsyncSession, envelope: Envelope[Any]) -> None:
        if isinstance(envelope.data, PasswordAccepted):
            await operations.keep_accepted_password(session, envelope.data)

    subscribe(service, topics.OCPP_CREDENTIAL_CHANGES, on_credential_change)
    service.http.state.keyring = service.keyring
    service.http.include_router(fleet_routes(service.database, store, operations, catalogue))
    service.http.include_router(import_routes(service.database, operations))
    policies = Policies(service.outbox, service.clock)
    service.http.include_router(policy_routes(service.database, policies, Rights(memberships)))
    return service


async def _apply(projection: Projection, session: Transaction, envelopes: Sequence[Envelope[Any]]) -> None:
    await projection.apply(session, envelopes, projection.live)
