"""What the portal shows, as pure functions from messages to rows, and the projections made of them."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from chassis.database import Work
from chassis.projection import Apply, Projection, Tables
from contracts import topics
from contracts.auth import GroupDefined, MembershipEnded, MembershipGranted
from contracts.billing import PlanSet
from contracts.envelope import Envelope, Message
from contracts.fleet import ChargerRegistered, ChargerRemoved
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
from contracts.restart import TERMINAL, AttemptMoved, DurationsLearned
from portal import tables
from portal.rows import Change, Delete, EndRunning, Guard, Put, write
from portal.security import count_refusals, count_strangers
from portal.settings import PortalSettings
from portal.states import put_right

Project = Callable[[Envelope[Message]], Iterator[Change]]


def project_groups(message: Envelope[Message]) -> Iterator[Change]:
    """auth.groups.v1: the last name said stands."""
    if isinstance(message.data, GroupDefined):
        said = message.data
        yield Put("groups", {"group_id": said.group_id}, {"name": said.name, "said_at": message.time}, Guard.SAID_AT)


def project_memberships(message: Envelope[Message]) -> Iterator[Change]:
    """auth.memberships.v1: the greatest version stands; a tombstone ends it."""
    match message.data:
        case MembershipGranted() as said:
            yield Put(
                "memberships",
                {"group_id": said.group_id, "user_id": said.user_id},
                {"name": said.name, "role": said.role.value, "version": said.version},
                Guard.VERSION,
            )
        case MembershipEnded() as said:
            yield Delete("memberships", {"group_id": said.group_id, "user_id": said.user_id})


def project_plans(message: Envelope[Message]) -> Iterator[Change]:
    """billing.plans.v1: the greatest version stands."""
    if isinstance(message.data, PlanSet):
        said = message.data
        values = {"plan": said.plan.value, "features": sorted(said.features), "version": said.version}
        yield Put("plans", {"group_id": said.group_id}, values, Guard.VERSION)


def project_chargers(message: Envelope[Message]) -> Iterator[Change]:
    """fleet.chargers.v1: the greatest version stands; a tombstone removes the charger."""
    match message.data:
        case ChargerRegistered() as said:
            values = {
                "group_id": said.group_id,
                "label": said.label,
                "site": said.site,
                "vendor": said.vendor,
                "model": said.model,
                "abilities": sorted(said.abilities),
                "version": said.version,
            }
            yield Put("chargers", {"charger_id": said.charger_id}, values, Guard.VERSION)
        case ChargerRemoved() as said:
            yield Delete("chargers", {"charger_id": said.charger_id})


def project_connectivity(message: Envelope[Message]) -> Iterator[Change]:
    """ocpp.connectivity.v1: a later session wins; inside one session its end wins over its beginning."""
    match message.data:
        case ChargerConnected() as said:
            values = {"online": True, "epoch": said.epoch, "protocol": said.protocol, "since": said.since}
            yield Put("connectivity", {"charger_id": said.charger_id}, values, Guard.LATER_SESSION)
        case ChargerDisconnected() as said:
            values = {"online": False, "epoch": said.epoch, "since": said.since}
            yield Put("connectivity", {"charger_id": said.charger_id}, values, Guard.SAME_OR_LATER_SESSION)


def project_observations(message: Envelope[Message]) -> Iterator[Change]:
    """ocpp.observations.v1: boots, connectors, running transactions and firmware updates."""
    said_at = message.time
    values: dict[str, object]
    match message.data:
        case ChargerBooted() as said:
            values = {
                "epoch": said.epoch,
                "reason": said.reason,
                "vendor": said.vendor,
                "model": said.model,
                "firmware": said.firmware,
                "serial": said.serial,
                "said_at": said_at,
            }
            yield Put("boots", {"charger_id": said.charger_id}, values, Guard.EPOCH_AND_SAID_AT)
        case ConnectorStatusReported() as said:
            key = {"charger_id": said.charger_id, "evse_id": said.evse_id, "connector_id": said.connector_id}
            values = {
                "state": said.state.value,
                "raw_status": said.raw_status,
                "error_code": said.error_code,
                "info": said.info,
                "epoch": said.epoch,
                "said_at": said_at,
            }
            yield Put("connectors", key, values, Guard.EPOCH_AND_SAID_AT)
            if said.state is ConnectorState.AVAILABLE:
                yield EndRunning(key, free_at=said_at)
        case TransactionStarted() as said:
            values = {
                "evse_id": said.evse_id,
                "connector_id": said.connector_id,
                "started_at": said.reported_at or said_at,
                "start_wh": said.meter_wh,
                "meter_wh": said.meter_wh,
                "said_at": said_at,
            }
            yield Put("transactions", _transaction(said), values, Guard.RUNNING)
        case TransactionUpdated() as said:
            values = {"said_at": said_at, **_known(evse_id=said.evse_id, meter_wh=said.meter_wh)}
            yield Put("transactions", _transaction(said), values, Guard.RUNNING)
        case TransactionEnded() as said:
            values = {"ended_at": said.reported_at or said_at, "end_reason": said.reason, "said_at": said_at}
            values |= _known(evse_id=said.evse_id, connector_id=said.connector_id, meter_wh=said.meter_wh)
            yield Put("transactions", _transaction(said), values, Guard.RUNNING)
        case FirmwareStatusReported() as said:
            values = {"status": said.status, "updating": said.updating, "epoch": said.epoch, "said_at": said_at}
            yield Put("firmware_updates", {"charger_id": said.charger_id}, values, Guard.EPOCH_AND_SAID_AT)


def project_attempts(message: Envelope[Message]) -> Iterator[Change]:
    """restart.attempts.v1: where each attempt stands, and every move of it."""
    if not isinstance(message.data, AttemptMoved):
        return
    move = message.data
    snapshot = {
        "charger_id": move.charger_id,
        "group_id": move.group_id,
        "version": move.version,
        "status": move.status.value,
        "ended": move.status in TERMINAL,
        "answered_by": move.existing_attempt_id,
        "requested_by": move.requested_by,
        "requested_at": move.requested_at,
        "moved_at": move.moved_at,
    }
    yield Put("attempts", {"attempt_id": move.attempt_id}, snapshot, Guard.VERSION)
    whole = {"charger_id": move.charger_id, "event_id": message.id, "move": move.model_dump(mode="json")}
    yield Put("attempt_moves", {"attempt_id": move.attempt_id, "version": move.version}, whole, Guard.FIRST)


def project_durations(message: Envelope[Message]) -> Iterator[Change]:
    """restart.durations.v1: the greatest version stands."""
    if isinstance(message.data, DurationsLearned):
        said = message.data
        values = {"expected": said.expected.model_dump(mode="json"), "version": said.version}
        yield Put("durations", {"model": said.model, "firmware": said.firmware or ""}, values, Guard.VERSION)


async def _settle(session: Work) -> None:
    await put_right(session, timedelta(seconds=PortalSettings().firmware_silence_s))


def _transaction(said: TransactionStarted | TransactionUpdated | TransactionEnded) -> dict[str, str]:
    return {"charger_id": said.charger_id, "transaction_id": said.transaction_id}


def _known(**values: float | None) -> dict[str, object]:
    """Only what was said: what is missing from a message must not erase what an earlier one said."""
    return {name: value for name, value in values.items() if value is not None}


def _applying(project: Project) -> Apply:
    async def apply(session: Work, messages: Sequence[Envelope[Message]], to: Tables) -> None:
        await write(session, [change for message in messages for change in project(message)], to)

    return apply


def _one_after_the_other(*applied: Apply) -> Apply:
    async def apply(session: Work, messages: Sequence[Envelope[Message]], to: Tables) -> None:
        for each in applied:
            await each(session, messages, to)

    return apply


_ALL = (
    Projection("groups", (topics.AUTH_GROUPS,), (tables.groups,), _applying(project_groups)),
    Projection("memberships", (topics.AUTH_MEMBERSHIPS,), (tables.memberships,), _applying(project_memberships)),
    Projection("plans", (topics.BILLING_PLANS,), (tables.plans,), _applying(project_plans)),
    Projection("chargers", (topics.FLEET_CHARGERS,), (tables.chargers,), _applying(project_chargers)),
    Projection(
        "connectivity", (topics.OCPP_CONNECTIVITY,), (tables.connectivity,), _applying(project_connectivity), _settle
    ),
    Projection(
        "observations",
        (topics.OCPP_OBSERVATIONS,),
        (tables.connectors, tables.transactions, tables.boots, tables.firmware_updates, tables.refusals),
        _one_after_the_other(_applying(project_observations), count_refusals),
        _settle,
    ),
    Projection(
        "attempts",
        (topics.RESTART_ATTEMPTS,),
        (tables.attempts, tables.attempt_moves),
        _applying(project_attempts),
        _settle,
    ),
    Projection("strangers", (topics.OCPP_STRANGERS,), (tables.strangers,), count_strangers),
    Projection("durations", (topics.RESTART_DURATIONS,), (tables.durations,), _applying(project_durations)),
)
PROJECTIONS = {projection.name: projection for projection in _ALL}
"""Every read view of the portal, by name."""
