"""Which topics feed what: requests, answers and chargers' news go to the attempts, the rest is only remembered."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from chassis.app import Service
from chassis.consumer import subscribe_by_driver
from chassis.database import Transaction
from chassis.projection import Projection
from contracts import topics
from contracts.envelope import Envelope
from restart_orchestrator import store
from restart_orchestrator.handle import Handler
from restart_orchestrator.projections import PROJECTIONS


def subscribe_all(service: Service, handler: Handler) -> None:
    """Subscribes to everything that the orchestrator reads."""
    subscribe_by_driver(service, topics.RESTART_REQUESTS, handler.on_requests, locks=store.locks)
    subscribe_by_driver(service, topics.OCPP_ANSWERS, handler.on_answers, locks=store.locks)
    subscribe_by_driver(service, topics.OCPP_CONNECTIVITY, handler.on_connectivity, locks=store.locks)
    subscribe_by_driver(service, topics.OCPP_OBSERVATIONS, handler.on_observations, locks=store.locks)
    for name in ("memberships", "plans", "policies", "chargers"):
        projection = PROJECTIONS[name]
        for topic in projection.topics:
            subscribe_by_driver(service, topic, partial(_remember, projection))


async def _remember(projection: Projection, session: Transaction, batch: Sequence[Envelope[Any]]) -> None:
    await projection.apply(session, batch, projection.live)
