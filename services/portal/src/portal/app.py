"""Composes the portal: settings, what it reads from topics, the live hub, and what it serves."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from prometheus_client import Gauge

from chassis.app import Service
from chassis.consumer import subscribe_by_driver
from chassis.database import Transaction, fetch
from chassis.processing import HandleByDriver
from chassis.projection import Projection
from contracts import topics
from contracts.envelope import Envelope, Message
from contracts.restart import AttemptMoved
from portal import feed
from portal.charger_calls import ChargerCalls
from portal.context import Context
from portal.forward import Forwarder
from portal.limits import Limits
from portal.live import Hub
from portal.projections import PROJECTIONS
from portal.settings import PortalSettings
from portal.states import TIMER, States
from portal.tables import metadata
from portal.web import install
from portal.words import catalogue
from portal.words.choosing import Spoken

_ANSWERED = """
    with forgotten as (delete from request_keys where claimed_at < now() - interval '400 days')
    delete from accepted_requests where attempt_id = any($1::uuid[])
"""
"""As long as an attempt is in Kafka, its key belongs to it."""


def build(settings: PortalSettings | None = None) -> Service:
    """The service, ready to run."""
    settings = settings or PortalSettings()
    service = Service(
        topics.Service.PORTAL.value,
        settings,
        metadata,
        http_options={
            "max_body_bytes": settings.forward_max_bytes,
            "openapi_url": None,
            "docs_url": None,
            "redoc_url": None,
        },
        public=True,
    )
    context = compose(service, settings)
    states = States(
        silence=timedelta(seconds=settings.firmware_silence_s), timers=service.timers, feed_rows=settings.feed_rows
    )
    service.timers.on_due(states.on_silence, name=TIMER)
    service.on_start(partial(states.start, service.database))
    for projection in PROJECTIONS.values():
        for topic in projection.topics:
            subscribe_by_driver(service, topic, following(projection, states, keep=settings.feed_rows))
    streams = Gauge("portal_streams", "Live streams that are open.", registry=service.registry)
    streams.set_function(lambda: context.hub.streams)
    calls = ChargerCalls(service.database, service.publisher, service.clock)
    service.http.state.charger_calls = calls
    now = service.clock.now()
    for topic in (topics.OCPP_CALL_RESULTS, topics.OCPP_CONNECTIVITY):
        # Every instance reads what comes from now on: the one that asked is the one that is waited at.
        service.add_table(topic, calls.take, start_at=now)
    service.on_start(context.hub.start)
    service.on_close(context.hub.stop)
    service.on_stop(context.forwarder.close)
    service.health.add_ready("live stream", context.hub.trouble)
    service.http.state.keyring = service.keyring
    install(service.http, context)
    return service


def compose(service: Service, settings: PortalSettings) -> Context:
    """The parts that the routes work with."""
    words = catalogue()
    hub = Hub(
        service.database,
        words,
        queue=settings.stream_queue,
        streams_per_person=settings.streams_per_person,
    )
    limits = Limits(settings, service.clock)
    return Context(
        settings, service.database, service.publisher, service.clock, hub, Forwarder(settings), Spoken(), limits
    )


def following(projection: Projection, states: States, *, keep: int) -> HandleByDriver:
    """Applies messages to the live tables, tells the feed and keeps the states, in one transaction. `keep`: rows of the
    feed.
    """

    async def handle(session: Transaction, messages: Sequence[Envelope[Message]]) -> None:
        await projection.apply(session, messages, projection.live)
        answered = [message.data.attempt_id for message in messages if isinstance(message.data, AttemptMoved)]
        if answered:
            await fetch(session, _ANSWERED, answered)
        changes = feed.pointers(messages)
        await feed.append(session, changes, keep=keep)
        await states.follow(session, messages, changes)

    return handle
