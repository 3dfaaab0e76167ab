"""One simulation from beginning to end: who takes part, what happens to them, and what they know in the end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import orjson

from contracts import topics
from contracts.auth import MembershipEnded, MembershipGranted
from contracts.billing import PlanSet
from contracts.envelope import Envelope, Message
from contracts.fleet import ChargerRegistered, CredentialSet, Escalation, RestartPolicySet
from contracts.ocpp import ResetCharger
from contracts.restart import RequestRestart, Status
from contracts.topics import Topic
from contracts.words import REMOTE_RESTART, Plan, Role
from restart_orchestrator.hearing import partition_of
from restart_orchestrator.windows import Windows
from simulation import bridge, bridge_database
from simulation.bridge import BridgeProcess, Surroundings
from simulation.bridge_database import BridgeDatabase
from simulation.install import new_loop
from simulation.log import Log, Record
from simulation.loop import OUTSIDE, START, true_time
from simulation.orchestrator import OrchestratorProcess
from simulation.orchestrator_database import OrchestratorDatabase, Transaction
from simulation.scenario import Event, Scenario
from simulation.sockets import ChargerEnd, Line
from simulator.charger import Charger
from simulator.facts import Entry

GROUP = "harbour"
CHARGER_ID = "CHARGER-1"
NAMESPACE = UUID("1d5dcb0c-0c4c-4c62-9d5c-2f1b1b6f2a11")
WINDOWS = Windows(patience=timedelta(seconds=600), revision=timedelta(seconds=1800))
LONGEST = 6000.0
QUIET_S = 150.0
GIVES_UP_SILENTLY = 0.3


@dataclass
class Truth:
    """What really happened to the charger, in the true time.

    Attributes:
        restarts: when its software started.
        evse_restarts: when one EVSE had restarted.
        frames: Reset frames that it read: when, of which message id, on which session.
        boots_accepted: boots that it was told are accepted: when, on which session.
        lies: boots that it sent unasked although it had not restarted, with another reason than Triggered.
    """

    restarts: list[float] = field(default_factory=list)
    evse_restarts: list[float] = field(default_factory=list)
    frames: list[tuple[float, str, int | None]] = field(default_factory=list)
    boots_accepted: list[tuple[float, int | None]] = field(default_factory=list)
    lies: list[tuple[float, int | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A Reset that was decided on.

    Attributes:
        entitled: whether the person had the right by what had been read then.
        observed: how many of the observations had been read then.
    """

    at: float
    attempt_id: UUID
    epoch: int
    number: int
    entitled: bool
    observed: int


class Clocks:
    """How far the clocks of the machines are ahead of the true time.

    Attributes:
        span: between which offsets clocks have been; a moment that one of them told, and one that another told, may be
            apart by as much.
    """

    def __init__(self, world: "World") -> None:
        self._world = world
        self._moved: dict[str, float] = {}
        self.span = (0.0, 0.0)

    @property
    def apart(self) -> float:
        """The most that two moments may be apart because of them, in seconds."""
        return self.span[1] - self.span[0]

    def offset(self, name: str) -> float:
        """Of a process."""
        kind = "orchestrator" if name.startswith("orchestrator") else "bridge"
        return sum(self._moved.get(of, 0.0) for of in {"everyone", kind, name})

    def move(self, machine: str, seconds: float) -> None:
        """Puts a clock forward or back."""
        self._moved[machine] = self._moved.get(machine, 0.0) + seconds
        lives: list[OrchestratorProcess | BridgeProcess] = [*self._world.orchestrators, *self._world.bridges.values()]
        for life in lives:
            life.process.offset = self.offset(life.name)
            self.span = (min(self.span[0], life.process.offset), max(self.span[1], life.process.offset))


class World:
    """Everybody who takes part in one simulation.

    Args:
        tell: gets each line of the trace; None for no trace.
    """

    def __init__(self, scenario: Scenario, *, tell: Callable[[str], None] | None = None) -> None:
        self.scenario = scenario
        self.loop = new_loop(scenario.seed)
        self.tell = tell
        self.log = Log(self.loop)
        self.database = OrchestratorDatabase(self.loop)
        self.bridge_database = BridgeDatabase(clock=true_time, pause=lambda: self.loop.random.uniform(0.0001, 0.002))
        self.bridge_database.taken_over = self.unrest
        self.bridge_database.looked_at = self._leases_looked_at
        self.around = Surroundings()
        self.truth = Truth()
        self.requested: dict[UUID, str] = {}
        self.asked_at: dict[UUID, datetime] = {}
        self.dispatches: list[Dispatch] = []
        self.committed: list[tuple[float, float, Any]] = []
        self.partition = partition_of(CHARGER_ID)
        self.offsets: dict[tuple[str, int], int] = {}
        self.bridges: dict[str, BridgeProcess] = {}
        self.clocks = Clocks(self)
        self.orchestrators: list[OrchestratorProcess] = []
        self.versions: dict[str, int] = {}
        self.lines: list[Line] = []
        self.opened: list[tuple[float, int | None]] = []
        self.answers: list[tuple[float, str, str]] = []
        self.died = False
        """Something died, stood still or was away: what it had heard may be lost."""
        self.bridges_died = False
        self.credential: Envelope[CredentialSet] = self.envelope(
            CredentialSet(charger_id=CHARGER_ID, security_profile=0, version=1)
        )
        self.charger = Charger(
            CHARGER_ID,
            "ws://bridge/ocpp",
            None,
            scenario.protocol,
            scenario.personality,
            connectors=scenario.connectors,
            seed=scenario.seed,
            transcript_limit=0,
        )
        self.charger.sample_interval = 0
        self._evse_restarts = 0
        bridge.use(self.around)
        bridge_database.use(self.bridge_database)
        self.database.commits.append(self._committed)
        self.log.heard.append(self._written)
        self.charger.on_entry(self._lived)
        self.charger.on_reset(lambda _, reset: self._reset_read(reset.message_id))

    # -- its course

    def run(self) -> None:
        """From beginning to end."""
        from simulation.events import Events

        events = Events(self)
        self._begin()
        for event in self.scenario.events:
            self._play(events, event)
        until = max((event.at + _lasts(event) for event in self.scenario.events), default=0.0) + 60.0
        while True:
            self.loop.run(until)
            if until >= LONGEST or self._is_over(until):
                break
            until += 60.0

    def end(self) -> None:
        """Throws away whatever still goes on."""
        self.loop.end()

    def _play(self, events: Any, event: Event) -> None:
        def happen() -> None:
            self.note("*", f"{event.what} {event.with_ or ''}")
            getattr(events, event.what)(**event.with_)

        self.loop.call_at(event.at, happen, context=OUTSIDE)

    def _begin(self) -> None:
        self.grant("alex", Role.ADMINISTRATOR)
        self.grant("robin", Role.SUPER_ADMINISTRATOR)
        self.grant("sam", Role.OPERATOR)
        self.set_plan(Plan.BUSINESS)
        self.append(
            topics.FLEET_CHARGERS,
            ChargerRegistered(
                charger_id=CHARGER_ID,
                group_id=GROUP,
                label="Quay",
                model="Model X",
                vendor="Vendor",
                abilities=frozenset({REMOTE_RESTART}),
                version=1,
            ),
        )
        if self.scenario.escalations:
            policy = RestartPolicySet(
                group_id=GROUP,
                escalation=Escalation.SOFT_THEN_HARD,
                escalations_per_day=self.scenario.escalations,
                version=1,
            )
            self.append(topics.FLEET_RESTART_POLICIES, policy)
        for number in range(self.scenario.bridges):
            self.start_bridge(f"bridge-{number + 1}", after=None)
        self.start_orchestrator()
        self.loop.call_at(1.0, self.charger.start, self)
        if self.scenario.charging:
            self.loop.call_at(25.0, lambda: self.loop.spawn(_quietly(self.charger.start_transaction())))

    def _is_over(self, now: float) -> bool:
        """Whether nothing can follow any more: every attempt has its end, and what is lost has had its time."""
        if self.database.tables.get("outbox"):
            return False
        for held in self.database.tables.get("attempts", {}).values():
            attempt = held.attempt
            if attempt.is_open:
                return False
            if attempt.status is Status.LOST and held.watching and self.may_return():
                lost_at = (attempt.lost_at - true_time_at(0)).total_seconds() if attempt.lost_at else now
                if now < lost_at + WINDOWS.revision.total_seconds() + 120:
                    return False
        return all(attempt_id in self.database.tables.get("attempts", {}) for attempt_id in self.requested)

    def may_return(self) -> bool:
        """Whether the charger will be back, or is."""
        outage = self.charger._outage
        return outage is None or outage.until is not None

    # -- services

    def start_bridge(self, name: str, *, after: BridgeProcess | None) -> None:
        """Begins a life of an instance, perhaps after another one."""
        life = BridgeProcess(
            self.loop,
            self.log,
            self.bridge_database,
            name,
            (self.partition,),
            self.clocks.offset(name),
        )
        self.bridges[name] = life
        if after is not None:
            self.unrest()
        life.start([self.credential])

    def start_orchestrator(self) -> None:
        """Begins a life of the orchestrator; one that is frozen will find itself ousted."""
        for other in self.orchestrators:
            other.ousted = True
        life = OrchestratorProcess(
            self.loop,
            self.log,
            self.database,
            f"orchestrator-{len(self.orchestrators) + 1}",
            windows=WINDOWS,
            partitions=(self.partition,),
            offsets=self.offsets,
            batch=self.scenario.batch,
            clock_offset=self.clocks.offset("orchestrator"),
        )
        self.orchestrators.append(life)
        life.start()

    def unrest(self) -> None:
        """Something happened that the bridges have to sort out among themselves."""
        for life in self.bridges.values():
            life.refresh_lease()
        self.around.restless_until = max(self.around.restless_until, self.loop.time() + bridge.UNREST_S)
        self.around.unrest.set()

    def _leases_looked_at(self) -> None:
        """In quiet times nobody renews a lease here; to those who look they are fresh all the same."""
        if not self.around.unrest.is_set():
            for life in self.bridges.values():
                life.refresh_lease()

    async def dial(self, charger_id: str, protocol: str) -> ChargerEnd:
        """The network: takes a charger to one of the bridges. Raises NotLetInError or OSError."""
        await asyncio.sleep(self.loop.random.uniform(0.001, 0.03))
        alive = [life for life in self.bridges.values() if life.process.alive and not life.leaving]
        if not alive:
            raise OSError("nobody listens")
        life = self.loop.random.choice(alive)
        line = Line(self.loop, charger_id, protocol, life.process, self.around.trouble)
        self.around.lines = [one for one in self.around.lines if not one.bridge.closed]
        self.around.lines.append(line)
        try:
            await life.let_in(line)
        except Exception:
            # It gives up; now and then without a word that gets through.
            if self.loop.random.random() < GIVES_UP_SILENTLY:
                line.silence()
            line.charger.shut_down()
            raise
        self.lines.append(line)
        self.opened.append((self.loop.time(), line.epoch))
        line.bridge.on_frame = self._heard_by_bridge
        return line.charger

    @property
    def line(self) -> Line | None:
        """The charger's present connection."""
        connection = self.charger.connection
        end: Any = connection._websocket if connection is not None else None
        return end._line if end is not None else None

    # -- people and other services

    def envelope(self, data: Any) -> Envelope[Any]:
        count = self.versions["messages"] = self.versions.get("messages", 0) + 1
        return Envelope(
            id=uuid5(NAMESPACE, f"message {count}"),
            source="/services/portal",
            time=true_time_at(self.loop.time()),
            data=data,
        )

    def append(self, topic: Topic, data: Message) -> None:
        """Another service says something."""
        self.log.append(topic, self.envelope(data))

    def grant(self, person: str, role: Role | None) -> None:
        version = self.versions[person] = self.versions.get(person, 0) + 1
        if role is None:
            self.append(topics.AUTH_MEMBERSHIPS, MembershipEnded(group_id=GROUP, user_id=person))
        else:
            granted = MembershipGranted(group_id=GROUP, user_id=person, name=person, role=role, version=version)
            self.append(topics.AUTH_MEMBERSHIPS, granted)

    def set_plan(self, plan: Plan) -> None:
        version = self.versions["plan"] = self.versions.get("plan", 0) + 1
        features = frozenset() if plan is Plan.BASIC else frozenset({REMOTE_RESTART})
        self.append(topics.BILLING_PLANS, PlanSet(group_id=GROUP, plan=plan, features=features, version=version))

    # -- what is seen from above

    def note(self, who: str, what: str) -> None:
        if self.tell is not None:
            self.tell(f"{self.loop.time():9.3f}  {who:14} {what}")

    def _written(self, record: Record) -> None:
        if isinstance(record.envelope.data, RequestRestart):
            self.requested.setdefault(record.envelope.data.attempt_id, record.envelope.data.requested_by)
        if self.tell is not None:
            data = record.envelope.data
            shown = data.model_dump(mode="json", exclude_defaults=True, exclude={"charger_id", "frame", "group_id"})
            position = record.envelope.position
            where = f"#{position.offset}" if position is not None else ""
            brief = {name: value for name, value in shown.items() if name in _SHOWN}
            self.note("log", f"{data.wire_type} {where} {brief}")

    def _committed(self, transaction: Transaction) -> None:
        now = self.loop.time()
        for key, recorded in transaction.written.get("transitions", {}).items():
            self.committed.append((now, transaction.began, recorded))
            self.note(transaction.process.name, f"attempt {str(key[0])[:4]} v{key[1]} {recorded.after.status.value}")
        for row in transaction.written.get("outbox", {}).values():
            if isinstance(row, tuple) and row[0] is topics.OCPP_COMMANDS:
                command = row[1].data
                if not isinstance(command, ResetCharger):
                    continue
                person = self.requested.get(command.attempt_id, "")
                entitled = self._entitled(person, transaction.offsets) or self._entitled(
                    person, self.database.tables.get("checkpoints", {})
                )
                observed = transaction.get("checkpoints", (topics.OCPP_OBSERVATIONS.name, self.partition)) or 0
                self.dispatches.append(
                    Dispatch(now, command.attempt_id, command.epoch, command.escalation, entitled, observed)
                )

    def _entitled(self, person: str, read: dict[tuple[str, int], int]) -> bool:
        """Whether the person may restart, by as much of the topics as had been read."""
        role: Role | None = None
        for record in self.log.records(topics.AUTH_MEMBERSHIPS.name, 0)[
            : read.get((topics.AUTH_MEMBERSHIPS.name, 0), 0)
        ]:
            said = record.envelope.data
            if said.user_id == person:
                role = said.role if isinstance(said, MembershipGranted) else None
        features: frozenset[str] = frozenset()
        for record in self.log.records(topics.BILLING_PLANS.name, 0)[: read.get((topics.BILLING_PLANS.name, 0), 0)]:
            features = frozenset(record.envelope.data.features)
        return role in {Role.ADMINISTRATOR, Role.SUPER_ADMINISTRATOR} and REMOTE_RESTART in features

    def quiet_since_disconnect(self) -> bool:
        """Whether so little time has passed since the last session's end that nobody need have told of it yet."""
        return any(line.ended_at is None or self.loop.time() - line.ended_at < QUIET_S for line in self.lines[-1:])

    def _heard_by_bridge(self, data: bytes) -> None:
        if data.startswith(b"[3,"):
            frame = orjson.loads(data)
            self.answers.append((self.loop.time(), str(frame[1]), str(frame[2].get("status"))))

    def _reset_read(self, message_id: str) -> None:
        line = self.line
        self.truth.frames.append((self.loop.time(), message_id, line.epoch if line is not None else None))
        self.note("charger", f"reads Reset {message_id[:4]}")

    def _lived(self, entry: Entry) -> None:
        now = self.loop.time()
        if entry.direction == "event":
            if entry.text == "restarted":
                self.truth.restarts.append(now)
            elif entry.text.startswith("boot Accepted"):
                line = self.line
                self.truth.boots_accepted.append((now, line.epoch if line is not None else None))
        if entry.direction == "sent" and '"BootNotification"' in entry.text and self.charger.is_registered:
            line = self.line
            if '"Triggered"' not in entry.text:
                self.truth.lies.append((now, line.epoch if line is not None else None))
        while self._evse_restarts < self.charger.facts.evse_restarts:
            self._evse_restarts += 1
            self.truth.evse_restarts.append(now)
        if self.tell is not None:
            self.note("charger", f"[{entry.socket}] {entry.direction}: {entry.text[:150]}")


_SHOWN = frozenset(
    {"epoch", "why", "reason", "state", "status", "version", "verdict", "since", "not_after", "attempt_id"}
)


def true_time_at(seconds: float) -> Any:

    return START + timedelta(seconds=seconds)


def _lasts(event: Event) -> float:
    """How long it takes until what an event breaks is whole again, in seconds."""
    return float(event.with_.get("seconds", 0.0)) + float(event.with_.get("again_after", 0.0))


async def _quietly(work: Any) -> None:
    try:
        await work
    except Exception:  # noqa: BLE001 a charger that can't at this moment does not
        return
