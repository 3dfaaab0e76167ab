"""What the orchestrator remembers of other services' topics, and how it is built again from them.

Every write is guarded, by version, by session or by time, so that it does not matter how often a message comes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Delete,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    false,
    func,
    not_,
    or_,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert

from chassis.database import Work, write_rows
from chassis.projection import Projection, Tables
from contracts import topics
from contracts.auth import MembershipEnded, MembershipGranted
from contracts.billing import PlanSet
from contracts.envelope import Envelope, Message
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
from restart_orchestrator import tables
from restart_orchestrator.lateness import CLOCK_TRUSTED, said_late
from restart_orchestrator.seen import SOLICITED

LABEL_KEPT = 200
BOOTS_KEPT = 3
"""The last boots that are remembered of a charger: as many as tell a boot loop."""
Row = dict[str, Any]
Said = Sequence[Envelope[Message]]


async def apply_memberships(session: Work, messages: Said, into: Tables) -> None:
    """Writes down who is what in which group; an ended membership is forgotten."""
    table = into[tables.memberships.name]
    last: dict[tuple[str, str], Row] = {}
    gone: set[tuple[str, str]] = set()
    for message in messages:
        match message.data:
            case MembershipGranted() as granted:
                last[granted.group_id, granted.user_id] = {
                    "group_id": granted.group_id,
                    "user_id": granted.user_id,
                    "role": granted.role.value,
                    "version": granted.version,
                }
            case MembershipEnded() as ended:
                gone.add((ended.group_id, ended.user_id))
                last.pop((ended.group_id, ended.user_id), None)
            case _:
                continue
    await write_rows(session, _forgetting(table), [{"of_group_id": of, "of_user_id": who} for of, who in sorted(gone)])
    await _upsert(session, table, last.values(), _by_version)


async def apply_plans(session: Work, messages: Said, into: Tables) -> None:
    """Writes down each group's plan and its features."""
    last: dict[str, Row] = {}
    for message in messages:
        if isinstance(said := message.data, PlanSet):
            last[said.group_id] = {
                "group_id": said.group_id,
                "plan": said.plan.value,
                "features": sorted(said.features),
                "version": said.version,
            }
    await _upsert(session, into[tables.plans.name], last.values(), _by_version)


async def apply_policies(session: Work, messages: Said, into: Tables) -> None:
    """Writes down what each group allows when a soft Reset brings nothing."""
    last: dict[str, Row] = {}
    for message in messages:
        if isinstance(said := message.data, RestartPolicySet):
            last[said.group_id] = {
                "group_id": said.group_id,
                "escalation": said.escalation.value,
                "per_day": said.escalations_per_day if said.escalation is not Escalation.OFF else 0,
                "version": said.version,
            }
    await _upsert(session, into[tables.restart_policies.name], last.values(), _by_version)


async def apply_chargers(session: Work, messages: Said, into: Tables) -> None:
    """Writes down which chargers there are; one that was removed is forgotten."""
    table = into[tables.chargers.name]
    last: dict[str, Row] = {}
    gone: set[str] = set()
    for message in messages:
        match message.data:
            case ChargerRegistered() as said:
                last[said.charger_id] = {
                    "charger_id": said.charger_id,
                    "group_id": said.group_id,
                    "model": said.model,
                    "abilities": sorted(said.abilities),
                    "version": said.version,
                }
            case ChargerRemoved() as said:
                gone.add(said.charger_id)
                last.pop(said.charger_id, None)
            case _:
                continue
    await write_rows(session, _forgetting(table), [{"of_charger_id": charger_id} for charger_id in sorted(gone)])
    await _upsert(session, table, last.values(), _by_version)


async def apply_connectivity(session: Work, messages: Said, into: Tables) -> None:
    """Writes down who is online: of one charger, the session with the greatest epoch counts, and its end last."""
    last: dict[str, Row] = {}
    for message in messages:
        said = message.data
        if not isinstance(said, ChargerConnected | ChargerDisconnected):
            continue
        online = isinstance(said, ChargerConnected)
        row: Row = {
            "charger_id": said.charger_id,
            "epoch": said.epoch,
            "online": online,
            "since": said.since,
            "protocol": said.protocol if isinstance(said, ChargerConnected) else None,
        }
        known = last.get(said.charger_id)
        if known is None or (row["epoch"], not online) > (known["epoch"], not known["online"]):
            last[said.charger_id] = row
    await _upsert(session, into[tables.connectivity.name], last.values(), _by_session)


async def apply_observations(session: Work, messages: Said, into: Tables) -> None:
    """Writes down what a decision needs of what chargers said: connectors, transactions, boots, firmware updates."""
    connectors: dict[tuple[str, str], Row] = {}
    boots: dict[str, Row] = {}
    recent: dict[str, set[datetime]] = {}
    updates: dict[str, Row] = {}
    begun: dict[tuple[str, str], Row] = {}
    ended: dict[tuple[str, str], Row] = {}
    free: list[Row] = []
    for message in messages:
        match message.data:
            case ConnectorStatusReported() as said:
                row: Row = {
                    "charger_id": said.charger_id,
                    "connector": connector_name(said.evse_id, said.connector_id),
                    "state": said.state.value,
                    "error_code": said.error_code,
                    "reported_at": said.reported_at,
                }
                _keep_status(connectors, row, said.epoch, message)
                if said.state is ConnectorState.AVAILABLE:
                    place = {"at_evse": said.evse_id, "at_connector": said.connector_id}
                    free.append({"of_charger": said.charger_id, "free_at": message.time, **place})
            case ChargerBooted() as said if not said.solicited and said.reason != SOLICITED:
                row = {"charger_id": said.charger_id, "firmware": (said.firmware or "")[:LABEL_KEPT] or None}
                _keep_latest(boots, said.charger_id, row, said.epoch, message)
                recent.setdefault(said.charger_id, set()).add(message.time)
            case FirmwareStatusReported() as said:
                row = {"charger_id": said.charger_id, "updating": said.updating}
                _keep_latest(updates, said.charger_id, row, said.epoch, message)
            case TransactionStarted() | TransactionUpdated() as said:
                key = (said.charger_id, said.transaction_id)
                begun.setdefault(key, _transaction(said, message, ended=False))
            case TransactionEnded() as said:
                ended[said.charger_id, said.transaction_id] = _transaction(said, message, ended=True)
            case _:
                continue
    await _upsert(session, into[tables.connectors.name], connectors.values(), _by_last_word)
    await _remember_boots(session, into[tables.recent_boots.name], recent)
    await _upsert(session, into[tables.boots.name], boots.values(), _by_time)
    await _upsert(session, into[tables.firmware_updates.name], updates.values(), _by_time)
    await _upsert(session, into[tables.transactions.name], begun.values(), _never)
    await _upsert(session, into[tables.transactions.name], ended.values(), _unless_older)
    await _end_where_free(session, into[tables.transactions.name], free)


def connector_name(evse_id: int, connector_id: int) -> str:
    """How a connector is named here."""
    return f"{evse_id}/{connector_id}"


PROJECTIONS: Mapping[str, Projection] = {
    projection.name: projection
    for projection in (
        Projection("memberships", (topics.AUTH_MEMBERSHIPS,), (tables.memberships,), apply_memberships),
        Projection("plans", (topics.BILLING_PLANS,), (tables.plans,), apply_plans),
        Projection("policies", (topics.FLEET_RESTART_POLICIES,), (tables.restart_policies,), apply_policies),
        Projection("chargers", (topics.FLEET_CHARGERS,), (tables.chargers,), apply_chargers),
        Projection("connectivity", (topics.OCPP_CONNECTIVITY,), (tables.connectivity,), apply_connectivity),
        Projection(
            "observations",
            (topics.OCPP_OBSERVATIONS,),
            (tables.connectors, tables.transactions, tables.boots, tables.recent_boots, tables.firmware_updates),
            apply_observations,
        ),
    )
}


Guard = Callable[[Any, Any], ColumnElement[bool]]
"""Whether a new row may replace the old one, given the columns of both."""


def _by_version(new: Any, old: Any) -> ColumnElement[bool]:
    return _condition(new.version > old.version)


def _by_session(new: Any, old: Any) -> ColumnElement[bool]:
    return _condition(tuple_(new.epoch, not_(new.online)) > tuple_(old.epoch, not_(old.online)))


def _by_time(new: Any, old: Any) -> ColumnElement[bool]:
    return _condition(tuple_(new.epoch, new.said_at) > tuple_(old.epoch, old.said_at))


def _by_last_word(new: Any, old: Any) -> ColumnElement[bool]:
    """As `_by_time`, but what a charger says late, by its own clock, is not its last word (`said_late` in SQL)."""
    said_in_time = or_(
        new.epoch != old.epoch,
        new.reported_at.is_(None),
        old.reported_at.is_(None),
        new.reported_at >= old.reported_at,
        func.abs(func.extract("epoch", new.said_at - new.reported_at)) > CLOCK_TRUSTED.total_seconds(),
        func.abs(func.extract("epoch", new.said_at - old.reported_at)) > CLOCK_TRUSTED.total_seconds(),
    )
    return and_(_by_time(new, old), said_in_time)


def _unless_older(new: Any, old: Any) -> ColumnElement[bool]:
    return _condition(new.said_at >= old.said_at)


def _condition(condition: Any) -> ColumnElement[bool]:
    return and_(condition)


def _never(_new: Any, _old: Any) -> ColumnElement[bool]:
    return false()


async def _upsert(session: Work, table: Table, rows: Iterable[Row], may_replace: Guard) -> None:
    await write_rows(session, _upserting(table, may_replace), list(rows))


@lru_cache(maxsize=256)
def _forgetting(table: Table) -> Delete:
    """Each row by its whole key."""
    return delete(table).where(*(column == bindparam(f"of_{column.name}") for column in table.primary_key.columns))


@lru_cache(maxsize=256)
def _upserting(table: Table, may_replace: Guard) -> Insert:
    statement: Insert = insert(table)
    keys = [column.name for column in table.primary_key.columns]
    changes = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(
        index_elements=keys, set_=changes, where=may_replace(statement.excluded, table.c)
    )


def _keep_latest(rows: dict[Any, Row], key: Any, row: Row, epoch: int, message: Envelope[Message]) -> None:
    row |= {"epoch": epoch, "said_at": message.time}
    known = rows.get(key)
    if known is None or (epoch, message.time) > (known["epoch"], known["said_at"]):
        rows[key] = row


def _keep_status(rows: dict[Any, Row], row: Row, epoch: int, message: Envelope[Message]) -> None:
    key = (row["charger_id"], row["connector"])
    known = rows.get(key)
    of_session = known is not None and known["epoch"] == epoch
    if known is not None and of_session and said_late(row["reported_at"], message.time, known["reported_at"]):
        return
    _keep_latest(rows, key, row, epoch, message)


async def _remember_boots(session: Work, table: Table, recent: Mapping[str, set[datetime]]) -> None:
    """Adds boots to those that are known: the same set in whatever order and however often they come."""
    rows = [
        {"charger_id": charger, "booted_at": sorted(at, reverse=True)[:BOOTS_KEPT]} for charger, at in recent.items()
    ]
    await write_rows(session, _adding_boots(table), rows)


@lru_cache
def _adding_boots(table: Table) -> Insert:
    together = text(
        f"(select array_agg(at order by at desc) from (select distinct at "  # noqa: S608 our own name
        f"from unnest({table.name}.booted_at || excluded.booted_at) as at order by at desc limit {BOOTS_KEPT}) as last)"
    )
    return insert(table).on_conflict_do_update(index_elements=["charger_id"], set_={"booted_at": together})


def _transaction(
    said: TransactionStarted | TransactionUpdated | TransactionEnded, message: Envelope[Message], *, ended: bool
) -> Row:
    return {
        "charger_id": said.charger_id,
        "transaction_id": said.transaction_id,
        "evse_id": said.evse_id,
        "connector_id": None if isinstance(said, TransactionUpdated) else said.connector_id,
        "ended": ended,
        "said_at": message.time,
    }


async def _end_where_free(session: Work, table: Table, free: list[Row]) -> None:
    """A connector that is available has no transaction: some firmware never sends the end of one after a reset."""
    await write_rows(session, _ending(table), free)


@lru_cache
def _ending(table: Table) -> Update:
    return (
        update(table)
        .where(
            table.c.charger_id == bindparam("of_charger"),
            not_(table.c.ended),
            table.c.said_at <= bindparam("free_at"),
            table.c.evse_id == bindparam("at_evse"),
            or_(table.c.connector_id.is_(None), table.c.connector_id == bindparam("at_connector")),
        )
        .values(ended=True)
    )
