"""The orchestrator on a real database, without its broker: it is told what topics say, and what it would publish is
read back."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from orchestrator_tables import InPostgreSQL, InTheSimulation, Side
from pydantic import Secret
from sqlalchemy import func, select, text

from chassis.app import Service
from chassis.processing import Processor
from chassis.testing import FakeClock
from chassis.testing.outbox import outbox_messages
from contracts import ocpp, restart, topics
from contracts.auth import MembershipGranted
from contracts.billing import PlanSet
from contracts.envelope import Envelope, Message, Position
from contracts.fleet import ChargerRegistered
from contracts.restart import AttemptMoved, RequestRestart, Status
from contracts.topics import Topic
from contracts.words import REMOTE_RESTART, Plan, Role
from restart_orchestrator import store
from restart_orchestrator.handle import Handler
from restart_orchestrator.hearing import partition_of
from restart_orchestrator.metrics import AttemptMetrics
from restart_orchestrator.projections import PROJECTIONS
from restart_orchestrator.settings import Settings
from restart_orchestrator.states import Transition
from restart_orchestrator.tables import metadata

GROUP = "harbour"
PERSON = "ada"
CHARGER = "CHARGER-1"
SESSION = 7


@dataclass
class FakeEnds:
    """How far the topics go, as the test says; nothing was said unless it says so."""

    of: dict[str, int] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)

    async def ends(self, partitions: Iterable[int]) -> Mapping[int, Mapping[str, int]]:
        return dict.fromkeys(partitions, self.of)

    async def committed(self, _partition: int, wanted: Iterable[str]) -> Mapping[str, int]:
        return {topic: self.read.get(topic, 0) for topic in wanted}


SAGA = (topics.RESTART_REQUESTS, topics.OCPP_ANSWERS, topics.OCPP_CONNECTIVITY, topics.OCPP_OBSERVATIONS)


class Orchestrator:
    """A prepared orchestrator, told one batch after the other.

    Attributes:
        answering: while time passes, the bridge answers for every charger that is asked for.
    """

    def __init__(self, service: Service, clock: FakeClock, settings: Settings) -> None:
        self.service = service
        self.clock = clock
        self.ends = FakeEnds()
        self.database = service.database
        self.handler = Handler(
            outbox=service.outbox,
            timers=service.timers,
            clock=clock,
            windows=settings.windows(),
            ends=self.ends,
            metrics=AttemptMetrics(service.registry),
        )
        service.timers.on_due_together(self.handler.on_deadlines)
        self.answering = True
        self.probed: list[ocpp.ProbeCharger] = []
        self.offsets: dict[tuple[str, int], int] = defaultdict(int)

    def said(self, topic: Topic, *messages: Message) -> list[Envelope[Any]]:
        """The messages as they would be read."""
        read = []
        for message in messages:
            partition = partition_of(message.key())
            position = Position(topic.name, partition, self.offsets[topic.name, partition])
            self.offsets[topic.name, partition] += 1
            read.append(
                Envelope(
                    uuid4(),
                    "/services/other",
                    self.clock.now(),
                    message,
                    "00-" + "a" * 32 + "-" + "b" * 16 + "-00",
                    position,
                )
            )
        return read

    async def hear(self, topic: Topic, *messages: Message, after: float = 0) -> list[Envelope[Any]]:
        """The messages arrive in one batch, so many seconds later."""
        self.clock.advance(after)
        batch = self.said(topic, *messages)
        await self.hear_again(topic, batch)
        return batch

    async def hear_again(self, topic: Topic, batch: list[Envelope[Any]]) -> None:
        async with self.database.begin() as session:
            if topic in SAGA:
                # As the real subscription does, in one order.
                await store.lock_all(session, [said.data.charger_id for said in batch])
            await self._handle_of(topic)(session, batch)

    def _handle_of(self, topic: Topic) -> Callable[..., Awaitable[None]]:
        handles = {
            topics.RESTART_REQUESTS: self.handler.on_requests,
            topics.OCPP_ANSWERS: self.handler.on_answers,
            topics.OCPP_CONNECTIVITY: self.handler.on_connectivity,
            topics.OCPP_OBSERVATIONS: self.handler.on_observations,
        }
        if topic in handles:
            return handles[topic]
        (projection,) = (one for one in PROJECTIONS.values() if topic in one.topics)
        return lambda session, batch: projection.apply(session, batch, projection.live)

    async def ask(self, charger: str = CHARGER, by: str = PERSON, **changes: Any) -> UUID:
        """A request for a restart arrives; returns the attempt's id."""
        request = self.request(charger, by, **changes)
        await self.hear(topics.RESTART_REQUESTS, request)
        return request.attempt_id

    def request(self, charger: str = CHARGER, by: str = PERSON, **changes: Any) -> RequestRestart:
        facts = {"attempt_id": uuid4(), "requested_at": self.clock.now()} | changes
        return RequestRestart(charger_id=charger, requested_by=by, **facts)

    async def pass_time(self, seconds: float) -> None:
        """Time passes, and every deadline in it is handled when it is due."""
        until = self.clock.now() + timedelta(seconds=seconds)
        while True:
            async with self.database.begin() as session:
                due = await session.execute(
                    text("select min(try_at) from timers where try_at <= :until"), {"until": until}
                )
                moment = due.scalar_one()
            if moment is None:
                break
            self.clock.set(max(moment, self.clock.now()))
            assert await self.service.timers._fire_some()
            if self.answering:
                await self.answer_probes()
        self.clock.set(until)

    async def answer_probes(self) -> None:
        """Every charger that was asked for and not heard yet is heard now, as the bridge would say."""
        for asked in (await self.probes())[len(self.probed) :]:
            self.probed.append(asked)
            heard = {"epoch": asked.epoch, "escalation": asked.escalation, "heard_at": self.clock.now()}
            said = ocpp.ChargerProbed(charger_id=asked.charger_id, attempt_id=asked.attempt_id, **heard)
            await self.hear(topics.OCPP_ANSWERS, said)

    async def moves(self, attempt_id: UUID | None = None) -> list[AttemptMoved]:
        told = [each.data for each in await outbox_messages(self.database, topics.RESTART_ATTEMPTS)]
        return [move for move in told if attempt_id in {None, move.attempt_id}]

    async def statuses(self, attempt_id: UUID | None = None) -> list[Status]:
        return [move.status for move in await self.moves(attempt_id)]

    async def resets(self) -> list[ocpp.ResetCharger]:
        commands = [each.data for each in await outbox_messages(self.database, topics.OCPP_COMMANDS)]
        return [command for command in commands if isinstance(command, ocpp.ResetCharger)]

    async def probes(self) -> list[ocpp.ProbeCharger]:
        commands = [each.data for each in await outbox_messages(self.database, topics.OCPP_COMMANDS)]
        return [command for command in commands if isinstance(command, ocpp.ProbeCharger)]

    async def held(self, attempt_id: UUID) -> store.Held:
        async with self.database.begin() as session:
            (held,) = await store.load_attempts(session, [], [attempt_id])
        return held

    async def history(self, attempt_id: UUID) -> list[Transition]:
        async with self.database.begin() as session:
            return await store.load_history(session, attempt_id)

    def processor(self, topic: Topic) -> Processor:
        """What reads the topic in the real service."""
        return Processor(
            topic,
            f"restart-orchestrator.{topic.name}",
            self.database,
            self.service.metrics,
            handle_batch=self._handle_of(topic),
            locks=store.locks if topic in SAGA else None,
        )

    async def count(self, table: str) -> int:
        async with self.database.begin() as session:
            counted = select(func.count()).select_from(metadata.tables[f"restart_orchestrator.{table}"])
            return int((await session.execute(counted)).scalar_one())

    # --- what a charger does ------------------------------------------------------------------------------------------

    async def introduce(
        self,
        charger: str = CHARGER,
        *,
        plan: Plan = Plan.BUSINESS,
        role: Role = Role.ADMINISTRATOR,
        model: str = "Terra AC",
    ) -> None:
        """A group with a plan, a member with a role, and a charger that can be restarted."""
        features = frozenset({REMOTE_RESTART}) if plan is Plan.BUSINESS else frozenset()
        able = frozenset() if model == "Pulsar" else frozenset({REMOTE_RESTART})
        await self.hear(
            topics.AUTH_MEMBERSHIPS,
            MembershipGranted(group_id=GROUP, user_id=PERSON, name="Ada", role=role, version=1),
        )
        await self.hear(topics.BILLING_PLANS, PlanSet(group_id=GROUP, plan=plan, features=features, version=1))
        await self.hear(
            topics.FLEET_CHARGERS,
            ChargerRegistered(
                charger_id=charger, group_id=GROUP, label="Quay 1", model=model, abilities=able, version=1
            ),
        )

    async def connect(
        self, session: int = SESSION, charger: str = CHARGER, *, protocol: str = "ocpp1.6", after: float = 0
    ) -> None:
        self.clock.advance(after)
        connected = ocpp.ChargerConnected(
            charger_id=charger, epoch=session, protocol=protocol, bridge="bridge-1", since=self.clock.now()
        )
        await self.hear(topics.OCPP_CONNECTIVITY, connected)

    async def disconnect(self, session: int = SESSION, charger: str = CHARGER, *, after: float = 0) -> None:
        self.clock.advance(after)
        gone = ocpp.ChargerDisconnected(
            charger_id=charger, epoch=session, bridge="bridge-1", since=self.clock.now(), why="lost"
        )
        await self.hear(topics.OCPP_CONNECTIVITY, gone)

    async def boot(self, session: int = SESSION, charger: str = CHARGER, *, after: float = 0) -> None:
        await self.hear(
            topics.OCPP_OBSERVATIONS,
            ocpp.ChargerBooted(charger_id=charger, epoch=session),
            self.status(session, charger),
            after=after,
        )

    def status(
        self, session: int = SESSION, charger: str = CHARGER, state: str = "available"
    ) -> ocpp.ConnectorStatusReported:
        return ocpp.ConnectorStatusReported(
            charger_id=charger, epoch=session, evse_id=1, connector_id=1, state=state, raw_status=state.title()
        )

    async def begin_charging(self, session: int = SESSION, charger: str = CHARGER) -> None:
        begun = ocpp.TransactionStarted(
            charger_id=charger, epoch=session, transaction_id="1", evse_id=1, connector_id=1
        )
        await self.hear(topics.OCPP_OBSERVATIONS, begun)

    async def end_charging(
        self, session: int = SESSION, charger: str = CHARGER, *, reason: str = "Local", after: float = 0
    ) -> None:
        ended = ocpp.TransactionEnded(
            charger_id=charger, epoch=session, transaction_id="1", evse_id=1, connector_id=1, reason=reason
        )
        await self.hear(topics.OCPP_OBSERVATIONS, ended, after=after)

    async def answer(
        self, attempt_id: UUID, kind: type[restart.AboutAttempt] | type[ocpp.Answer], **facts: Any
    ) -> None:
        message = kind(
            charger_id=CHARGER,
            attempt_id=attempt_id,
            epoch=SESSION,
            **{"message_id": str(attempt_id)} if kind is not ocpp.ResetUnanswered else {},
            **facts,
        )
        await self.hear(topics.OCPP_ANSWERS, message)

    async def send(self, attempt_id: UUID) -> None:
        await self.answer(attempt_id, ocpp.ResetSent, sent_at=self.clock.now(), frame="[2]")

    async def accept(self, attempt_id: UUID) -> None:
        await self.answer(attempt_id, ocpp.ResetAccepted, answer_epoch=SESSION, answered_at=self.clock.now())


Start = Callable[..., Awaitable[Orchestrator]]


@pytest.fixture
async def start(new_database: Callable[..., Awaitable[str]]) -> AsyncIterator[Start]:
    """Prepares an orchestrator; with the address of an earlier one's database, as if it had been restarted."""
    async with AsyncExitStack() as stack:

        async def prepare(url: str | None = None, clock: FakeClock | None = None) -> Orchestrator:
            settings = Settings(database_url=Secret(url or await new_database("restart_orchestrator")))
            clock = clock or FakeClock()
            service = Service("restart-orchestrator", settings, metadata, clock=clock)
            stack.push_async_callback(service.database.dispose)
            store.plan_once(service.database)
            return Orchestrator(service, clock, settings)

        yield prepare


@pytest.fixture
async def orchestrator(start: Start) -> Orchestrator:
    """An orchestrator that knows one group, one administrator and one charger, online and seen to boot."""
    ready = await start()
    await ready.introduce()
    await ready.connect()
    await ready.boot()
    ready.clock.advance(60)
    return ready


@pytest.fixture
def lose(orchestrator: Orchestrator) -> Callable[[], Awaitable[UUID]]:
    """Restarts, each of a charger that went away and was not back in time."""

    async def lost() -> UUID:
        attempt = await orchestrator.ask()
        await orchestrator.send(attempt)
        await orchestrator.accept(attempt)
        await orchestrator.disconnect(after=10)
        await orchestrator.pass_time(300)
        assert (await orchestrator.statuses(attempt))[-1] is Status.LOST
        return attempt

    return lost


@pytest.fixture(params=["postgresql", "simulation"])
async def side(request: pytest.FixtureRequest, start: Start) -> Side:
    """The tables of an orchestrator that knows nothing yet."""
    return InPostgreSQL(await start()) if request.param == "postgresql" else InTheSimulation()
