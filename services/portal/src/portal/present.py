"""A charger as one person sees it: its state in one word, and what stands in the way of a restart. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.availability import Situation, blocked_by
from contracts.ocpp import ConnectorState
from contracts.restart import AttemptMoved, Outcome, Refusal, RefusalReason, Status, When
from contracts.words import Role
from portal.models import (
    Attempt,
    AttemptLine,
    Block,
    Charger,
    ChargerLine,
    ChargerState,
    Connector,
    Group,
    Interrupted,
    Restart,
    VerdictView,
    Way,
)
from portal.story import explain, tell, usual
from portal.verdicts import last_word
from portal.views import AttemptRow, ChargerRow, ConnectorRow, TransactionRow
from portal.words import Catalogue, connector_name

_LIFTERS = {
    "super_administrator": frozenset({Role.SUPER_ADMINISTRATOR}),
    "group_administrators": frozenset({Role.SUPER_ADMINISTRATOR, Role.ADMINISTRATOR}),
}
"""Who, by the refusal's word, could lift it."""
_WAITS: Mapping[RefusalReason, Way] = {RefusalReason.OFFLINE: "online", RefusalReason.CHARGING: "idle"}
"""What can be waited for, where nothing else stands in the way."""
_WAITING = frozenset({Status.QUEUED, Status.AWAITING_IDLE})

Stories = Mapping[UUID, AttemptRow]
"""The attempts that the chargers at hand refer to."""


def story(row: AttemptRow, words: Catalogue) -> Attempt:
    """An attempt with all of its moves."""
    return tell(row.moves, words, name=row.requester, group=row.group_name, names=row.names)


def attempt_line(row: AttemptRow, label: str | None, words: Catalogue) -> AttemptLine:
    """An attempt as lists show it; `label` is its charger's."""
    told = story(row, words)
    shared = {name: getattr(told, name) for name in AttemptLine.model_fields if name != "label"}
    return AttemptLine(label=label, **shared)


def line(row: ChargerRow, role: Role, stories: Stories, words: Catalogue, *, v: int) -> ChargerLine:
    """The charger for a member of its group; `v` is the cursor of the feed that it was read at.

    Whole stories are not told for it: a list has many lines, and each shows no more than how its last attempt ended.
    """
    under_way = stories.get(row.open_attempt_id) if row.open_attempt_id else None
    last = stories.get(row.last_attempt_id) if row.last_attempt_id else None
    verdict = last_word(last.moves, words, last.names) if last else None
    return _line(row, role, under_way.moves[-1] if under_way else None, verdict, words, v=v)


def details(row: ChargerRow, role: Role, stories: Stories, words: Catalogue, *, v: int) -> Charger:
    """The charger for a member of its group, with all that is known of it."""
    open_attempt, last_attempt = (
        _story(row.open_attempt_id, stories, words),
        _story(row.last_attempt_id, stories, words),
    )
    return Charger(
        **dict(line(row, role, stories, words, v=v)),
        vendor=row.vendor,
        firmware=row.firmware,
        serial=row.serial,
        protocol=row.protocol,
        online_since=row.since if row.online else None,
        booted_at=row.booted_at,
        boot_reason=row.boot_reason,
        connectors=[_connector(connector) for connector in row.connectors],
        transactions=[_transaction(transaction) for transaction in row.transactions],
        open_attempt=open_attempt,
        last_attempt=last_attempt,
    )


def _line(
    row: ChargerRow, role: Role, under_way: AttemptMoved | None, last: VerdictView | None, words: Catalogue, *, v: int
) -> ChargerLine:
    state, since = _state(row, under_way, last)
    return ChargerLine(
        charger_id=row.charger_id,
        v=v,
        label=row.label,
        group=Group(group_id=row.group_id, name=row.group_name),
        site=row.site,
        model=row.model,
        state=state,
        since=since,
        online=bool(row.online),
        restart=_restart(row, role, under_way, words),
        last_verdict=last,
    )


def _restart(row: ChargerRow, role: Role, under_way: AttemptMoved | None, words: Catalogue) -> Restart:
    situation = Situation(
        role=role,
        plan=row.plan,
        features=row.features,
        model=row.model,
        abilities=row.abilities,
        online=bool(row.online),
        offline_since=row.since.isoformat() if row.since and not row.online else "",
        transactions=tuple(
            connector_name(each.evse_id, each.connector_id) or each.transaction_id for each in row.transactions
        ),
        updating_firmware=row.updating_until is not None,
        open_attempt=str(row.open_attempt_id) if row.open_attempt_id else None,
    )
    blocks = blocked_by(situation)
    ways: list[Way] = []
    if not blocks:
        ways.append("now")
    if row.transactions and not blocked_by(situation, interrupt_charging=True):
        ways.append("now_interrupting_charging")
    if not blocked_by(situation, when=When.IDLE):
        ways.append("idle")
    if not blocked_by(situation, when=When.ONLINE):
        ways.append("online")
    return Restart(
        available=not blocks,
        blocked_by=[_block(block, row, under_way, words, ways) for block in blocks],
        possible=ways,
        interrupts=[_transaction(each) for each in row.transactions],
        attempt_id=row.open_attempt_id,
        expected=usual(row.expected),
    )


def _block(
    refusal: Refusal, row: ChargerRow, under_way: AttemptMoved | None, words: Catalogue, ways: Sequence[Way]
) -> Block:
    facts: dict[str, Any] = {}
    match refusal.reason:
        case RefusalReason.CHARGING:
            facts["since"] = min((each.started_at for each in row.transactions if each.started_at), default=None)
        case RefusalReason.UPDATING_FIRMWARE:
            facts |= {"since": row.updating_since, "until": row.updating_until}
        case RefusalReason.ALREADY_RESTARTING if under_way is not None:
            facts["requested_at"] = under_way.requested_at
        case _:
            pass
    names = [leader.name for leader in row.leaders if leader.role in _LIFTERS.get(refusal.lifted_by, ())]
    waits = _WAITS.get(refusal.reason) in ways
    waiting = (
        refusal.reason is RefusalReason.ALREADY_RESTARTING and under_way is not None and under_way.status in _WAITING
    )
    return explain(
        refusal, words, group=row.group_name, model=row.model, names=names, may_wait=waits, waiting=waiting, **facts
    )


def _state(
    row: ChargerRow, under_way: AttemptMoved | None, last: VerdictView | None
) -> tuple[ChargerState, datetime | None]:
    if under_way is not None and under_way.status not in _WAITING:
        return ChargerState.RESTARTING, under_way.requested_at
    if row.online is None:
        return ChargerState.NEVER_CONNECTED, None
    if not row.online:
        lost = last is not None and last.verdict is Outcome.LOST
        return ChargerState.LOST if lost else ChargerState.OFFLINE, row.since
    if row.updating_until is not None:
        return ChargerState.UPDATING_FIRMWARE, None  # since when is not known, only when it was last heard of
    faulted = [each for each in row.connectors if each.state == ConnectorState.FAULTED]
    if faulted:
        return ChargerState.FAULTED, faulted[0].said_at
    if row.transactions:
        return ChargerState.CHARGING, row.transactions[0].started_at
    return _idle_state(row)


def _idle_state(row: ChargerRow) -> tuple[ChargerState, datetime | None]:
    real = [each for each in row.connectors if each.connector_id > 0 or each.evse_id > 0] or list(row.connectors)
    if not real:
        return ChargerState.CONNECTED, row.since
    for state, word in (
        (ConnectorState.AVAILABLE, ChargerState.AVAILABLE),
        (ConnectorState.OCCUPIED, ChargerState.OCCUPIED),
        (ConnectorState.RESERVED, ChargerState.RESERVED),
    ):
        alike = [each.said_at for each in real if each.state == state]
        if alike:
            return word, min(alike)
    return ChargerState.UNAVAILABLE, real[0].said_at


def _connector(row: ConnectorRow) -> Connector:
    return Connector(
        evse_id=row.evse_id,
        connector_id=row.connector_id,
        name=connector_name(row.evse_id, row.connector_id),
        state=row.state,
        raw_status=row.raw_status,
        error_code=None if row.error_code == "NoError" else row.error_code,
        info=row.info,
        since=row.said_at,
    )


def _transaction(row: TransactionRow) -> Interrupted:
    energy = None
    if row.meter_wh is not None and row.start_wh is not None:
        energy = round(max(0.0, row.meter_wh - row.start_wh) / 1000, 2)
    return Interrupted(
        transaction_id=row.transaction_id,
        connector=connector_name(row.evse_id, row.connector_id),
        since=row.started_at,
        energy_kwh=energy,
    )


def _story(attempt_id: UUID | None, stories: Stories, words: Catalogue) -> Attempt | None:
    row = stories.get(attempt_id) if attempt_id else None
    return story(row, words) if row else None
