"""Composes the orchestrator: settings, tables, what it reads, its deadlines."""

from datetime import timedelta

from chassis.app import Service
from chassis.clock import WakingClock
from contracts import topics
from restart_orchestrator import store
from restart_orchestrator.chores import Chores
from restart_orchestrator.handle import Handler
from restart_orchestrator.hearing import KafkaEnds
from restart_orchestrator.learning import Learner
from restart_orchestrator.metrics import AttemptMetrics
from restart_orchestrator.settings import Settings
from restart_orchestrator.subscriptions import subscribe_all
from restart_orchestrator.tables import metadata


def build(settings: Settings | None = None, clock: WakingClock | None = None) -> Service:
    """The service, ready to run. Raises CannotStartError."""
    settings = settings or Settings()
    service = Service(topics.Service.RESTART_ORCHESTRATOR.value, settings, metadata, clock=clock)
    store.plan_once(service.database)
    ends = KafkaEnds(service.kafka)
    handler = Handler(
        outbox=service.outbox,
        timers=service.timers,
        clock=service.clock,
        windows=settings.windows(),
        ends=ends,
        metrics=AttemptMetrics(service.registry),
    )
    service.timers.on_due_together(handler.on_deadlines)
    subscribe_all(service, handler)
    settled = timedelta(seconds=settings.learn_settled_s)
    learner = Learner(service.outbox, service.clock, settings.rules(), settled=settled)
    chores = Chores(service.database, service.clock, learner, settings.keep(), learn_every_s=settings.learn_every_s)
    service.on_start(chores.start)
    service.on_stop(chores.stop)
    service.on_stop(ends.stop)
    return service
