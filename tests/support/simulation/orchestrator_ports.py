"""What the orchestrator reads and writes, on tables in memory; its handlers run on it unchanged.

Each function does what the statement of the same name in `restart_orchestrator.store` does.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.timers import Alarm
from contracts.auth import MembershipEnded, MembershipGranted
from contracts.billing import PlanSet
from contracts.envelope import Envelope
from contracts.fleet import ChargerRegistered, ChargerRemoved, Escalation, RestartPolicySet
from contracts.ocpp import (
    ChargerBooted,
    ChargerConnected,
    ChargerDisconnected,
    ConnectorState,
    ConnectorStatusReported,
    FirmwareStatusReported,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from contracts.restart import Health
from restart_orchestrator import store
from restart_orchestrator.escalation import A_DAY
from restart_orchestrator.inputs import Past, Standing
from restart_orchestrator.lateness import said_late
from restart_orchestrator.projections import BOOTS_KEPT, connector_name
from restart_orchestrator.seen import SOLICITED
from restart_orchestrator.states import Attempt
from restart_orchestrator.store import Held, Recorded
from simulation.orchestrator_database import Transaction

Batch = Sequence[Envelope[Any]]


class MemoryStore:
    """In the place of the module `restart_orchestrator.store`."""

    locks = staticmethod(store.locks)

    @staticmethod
    async def lock_all(session: Transaction, chargers: Iterable[str]) -> None:
        for charger_id in sorted(set(chargers)):
            await session.lock(f"charger:{charger_id}")
        await session.trip()

    @staticmethod
    async def load_attempts(session: Transaction, chargers: Sequence[str], ids: Sequence[UUID] = ()) -> list[Held]:
        await session.trip()
        return _attempts(session, chargers, ids)

    @staticmethod
    async def load_standings(session: Transaction, asked: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Standing]:
        pairs = sorted(set(asked))
        if pairs:
            await session.trip()
        return {pair: _standing(session, *pair) for pair in pairs}

    @staticmethod
    async def load_requested(
        session: Transaction, asked: Iterable[tuple[str, str]], ids: Sequence[UUID]
    ) -> tuple[list[Held], dict[tuple[str, str], Standing]]:
        pairs = sorted(set(asked))
        await session.trip()
        attempts = _attempts(session, [charger for charger, _ in pairs], ids)
        return attempts, {pair: _standing(session, *pair) for pair in pairs}

    @staticmethod
    async def load_busy(session: Transaction, chargers: Sequence[str]) -> Mapping[str, set[int | None]]:
        await session.trip()
        busy: dict[str, set[int | None]] = {}
        for (charger_id, _), row in session.rows("transactions"):
            if charger_id in chargers and not row["ended"]:
                busy.setdefault(charger_id, set()).add(row["evse_id"])
        return busy

    @staticmethod
    def record(held: Sequence[Held], history: Sequence[Recorded]) -> list[Callable[[Transaction], None]]:
        def write(session: Transaction) -> None:
            for one in history:
                session.put("transitions", (one.after.attempt_id, one.after.version), one)
            for attempt in held:
                session.put("attempts", attempt.attempt.attempt_id, attempt)

        return [write] if held else []


def _attempts(session: Transaction, chargers: Sequence[str], ids: Sequence[UUID]) -> list[Held]:
    return [
        one
        for _, one in session.rows("attempts")
        if (one.watching and one.attempt.charger_id in chargers) or one.attempt.attempt_id in ids
    ]


def _standing(session: Transaction, charger_id: str, user_id: str) -> Standing:
    charger = session.get("chargers", charger_id)
    group_id = charger.group_id if charger is not None else None
    member = session.get("memberships", (group_id, user_id))
    plan = session.get("plans", group_id)
    link = session.get("connectivity", charger_id)
    boot = session.get("boots", charger_id)
    update = session.get("firmware_updates", charger_id)
    running = sorted(
        (
            (transaction_id, row["evse_id"], row["connector_id"])
            for (of, transaction_id), row in session.rows("transactions")
            if of == charger_id and not row["ended"]
        ),
        key=lambda one: [*((number is None, number) for number in one[1:]), one[0]],
    )
    statuses = {name: row for (of, name), row in session.rows("connectors") if of == charger_id}
    row = dict(  # noqa: C408 as the columns are named
        charger_id=charger_id,
        user_id=user_id,
        group_id=group_id,
        model=charger.model if charger is not None else None,
        abilities=sorted(charger.abilities) if charger is not None else None,
        role=member.role.value if member is not None else None,
        plan=plan.plan.value if plan is not None else None,
        features=sorted(plan.features) if plan is not None else None,
        epoch=link["epoch"] if link else None,
        online=link["online"] if link else None,
        since=link["since"] if link else None,
        protocol=link["protocol"] if link else None,
        boot_epoch=boot["epoch"] if boot else None,
        booted_at=boot["said_at"] if boot else None,
        updating=update["updating"] if update else False,
        firmware=boot["firmware"] if boot else None,
        running=running,
        connectors={name: row["state"] for name, row in statuses.items()},
        faults={name: row["error_code"] for name, row in statuses.items() if row["error_code"] is not None},
        firmware_news_at=update["said_at"] if update else None,
        expected=None,
    )
    return store._standing(row)


class MemoryProjection:
    """In the place of a projection: what it writes down of a batch."""

    live = None

    def __init__(self, name: str) -> None:
        self._apply = _APPLY[name]

    async def apply(self, session: Transaction, batch: Batch, into: object) -> None:
        del into
        await session.trip()
        for said in batch:
            self._apply(session, said)


def _by_version(session: Transaction, table: str, key: Any, new: Any) -> None:
    known = session.get(table, key)
    if known is None or new.version > known.version:
        session.put(table, key, new)


def _membership(session: Transaction, said: Envelope[Any]) -> None:
    match said.data:
        case MembershipGranted() as granted:
            _by_version(session, "memberships", (granted.group_id, granted.user_id), granted)
        case MembershipEnded() as ended:
            session.delete("memberships", (ended.group_id, ended.user_id))
        case _:
            return


def _plan(session: Transaction, said: Envelope[Any]) -> None:
    if isinstance(said.data, PlanSet):
        _by_version(session, "plans", said.data.group_id, said.data)


def _charger(session: Transaction, said: Envelope[Any]) -> None:
    match said.data:
        case ChargerRegistered() as registered:
            _by_version(session, "chargers", registered.charger_id, registered)
        case ChargerRemoved() as removed:
            session.delete("chargers", removed.charger_id)
        case _:
            return


def _connectivity(session: Transaction, said: Envelope[Any]) -> None:
    data = said.data
    if not isinstance(data, ChargerConnected | ChargerDisconnected):
        return
    online = isinstance(data, ChargerConnected)
    known = session.get("connectivity", data.charger_id)
    if known is None or (data.epoch, not online) > (known["epoch"], not known["online"]):
        protocol = data.protocol if isinstance(data, ChargerConnected) else None
        row = {"epoch": data.epoch, "online": online, "since": data.since, "protocol": protocol}
        session.put("connectivity", data.charger_id, row)


def _said_late(data: ConnectorStatusReported, said: Envelope[Any], known: Mapping[str, Any]) -> bool:
    return said_late(data.reported_at, said.time, known["reported_at"])


def _policy(session: Transaction, said: Envelope[Any]) -> None:
    if isinstance(said.data, RestartPolicySet):
        _by_version(session, "restart_policies", said.data.group_id, said.data)


async def with_past(session: Transaction, attempt: Attempt, standing: Standing, now: datetime) -> Standing:
    """What `restart_orchestrator.past.with_past` asks PostgreSQL."""
    await session.trip()
    policy = session.get("restart_policies", standing.group_id)
    if policy is None or policy.escalation is Escalation.OFF or policy.escalations_per_day == 0:
        return standing
    of_charger = [one.attempt for _, one in session.rows("attempts") if one.attempt.charger_id == attempt.charger_id]
    others = [one for one in of_charger if one.attempt_id != attempt.attempt_id and one.reset is not None]
    last = max(others, key=lambda one: one.moved_at, default=None)
    past = Past(
        per_day=policy.escalations_per_day,
        escalated_at=tuple(
            escalated.at for one in of_charger if one.moved_at > now - A_DAY for escalated in one.escalations
        ),
        booted_at=session.get("recent_boots", attempt.charger_id) or (),
        ended_badly=last is not None
        and last.verdict is not None
        and last.verdict.health in (Health.BOOT_LOOP, Health.UNSTABLE),
    )
    return replace(standing, past=past)


def _by_time(session: Transaction, table: str, key: Any, said: Envelope[Any], **row: Any) -> None:
    known = session.get(table, key)
    if known is None or (said.data.epoch, said.time) > (known["epoch"], known["said_at"]):
        session.put(table, key, {"epoch": said.data.epoch, "said_at": said.time, **row})


def _observation(session: Transaction, said: Envelope[Any]) -> None:
    match said.data:
        case ConnectorStatusReported() as data:
            name = connector_name(data.evse_id, data.connector_id)
            known = session.get("connectors", (data.charger_id, name))
            if known is None or known["epoch"] != data.epoch or not _said_late(data, said, known):
                facts = {"state": data.state.value, "error_code": data.error_code, "reported_at": data.reported_at}
                _by_time(session, "connectors", (data.charger_id, name), said, **facts)
            if data.state is ConnectorState.AVAILABLE:
                _end_where_free(session, data, said)
        case ChargerBooted() as data if not data.solicited and data.reason != SOLICITED:
            recent = {*(session.get("recent_boots", data.charger_id) or ()), said.time}
            session.put("recent_boots", data.charger_id, tuple(sorted(recent, reverse=True)[:BOOTS_KEPT]))
            _by_time(session, "boots", data.charger_id, said, firmware=data.firmware)
        case FirmwareStatusReported() as data:
            _by_time(session, "firmware_updates", data.charger_id, said, updating=data.updating)
        case TransactionStarted() | TransactionUpdated() as data:
            if session.get("transactions", (data.charger_id, data.transaction_id)) is None:
                _write_transaction(session, data, said, ended=False)
        case TransactionEnded() as data:
            known = session.get("transactions", (data.charger_id, data.transaction_id))
            if known is None or said.time >= known["said_at"]:
                _write_transaction(session, data, said, ended=True)
        case _:
            return


def _write_transaction(session: Transaction, data: Any, said: Envelope[Any], *, ended: bool) -> None:
    connector = None if isinstance(data, TransactionUpdated) else data.connector_id
    row = {"evse_id": data.evse_id, "connector_id": connector, "ended": ended, "said_at": said.time}
    session.put("transactions", (data.charger_id, data.transaction_id), row)


def _end_where_free(session: Transaction, data: ConnectorStatusReported, said: Envelope[Any]) -> None:
    for key, row in list(session.rows("transactions")):
        here = row["evse_id"] == data.evse_id and row["connector_id"] in (None, data.connector_id)
        if key[0] == data.charger_id and not row["ended"] and row["said_at"] <= said.time and here:
            session.put("transactions", key, {**row, "ended": True})


_APPLY: Mapping[str, Any] = {
    "memberships": _membership,
    "plans": _plan,
    "policies": _policy,
    "chargers": _charger,
    "connectivity": _connectivity,
    "observations": _observation,
}
PROJECTIONS = {name: MemoryProjection(name) for name in _APPLY}


class MemoryTimers:
    """Arms timers in the tables."""

    async def arm(self, session: Transaction, *, key: str, due: Any, payload: dict[str, Any], name: str = "") -> None:
        await self.arm_many(session, [Alarm(key, due, payload)], name=name)

    async def arm_many(self, session: Transaction, alarms: Sequence[Alarm], *, name: str = "") -> None:
        del name
        if alarms:
            await session.trip()
        for alarm in alarms:
            row = {"due": alarm.due, "try_at": alarm.due, "payload": alarm.payload, "failures": 0}
            session.put("timers", alarm.key, row)
            session.armed = True


class MemoryEffects:
    """In the place of the module `chassis.effects`."""

    @staticmethod
    async def write(
        session: Transaction,
        *,
        to: object,
        messages: Sequence[Any],
        by: MemoryTimers,
        alarms: Sequence[Alarm],
        settled: Sequence[str] = (),
        also: Sequence[Callable[[Transaction], None]] = (),
    ) -> None:
        del to
        await session.trip()
        for written in also:
            written(session)
        for topic, envelope in messages:
            session.database.next_outbox_id += 1
            session.put("outbox", session.database.next_outbox_id, (topic, envelope))
            session.posted = True
        for key in settled:
            session.delete("timers", key)
        await by.arm_many(session, alarms)
