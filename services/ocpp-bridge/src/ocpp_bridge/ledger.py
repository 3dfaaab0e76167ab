"""The ledger of Resets: a row commits before the frame is written, so that no Reset is ever sent twice."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args
from uuid import UUID

from chassis.clock import Clock
from contracts.ocpp import ResetCharger, WithdrawReset
from ocpp_bridge.store import Store

UNANSWERED = "unanswered"
WITHDRAWN = "withdrawn"
WhyNot = Literal["expired", "not_connected", "other_session"]
NEVER_SENT = frozenset({WITHDRAWN, *get_args(WhyNot)})
"""Outcomes of a row that stands for no frame."""

# The session must still be the charger's last one, and ours: here another instance's takeover fences this one.
_CLAIM = """
insert into reset_ledger as entry (attempt_id, charger_id, epoch, message_id, claim, instance, claimed_at, escalation)
select $1, charger_id, epoch, $4, $5, instance, $7, $8
from charger_sessions where charger_id = $2 and epoch = $3 and instance = $6
on conflict (attempt_id, escalation) do update set claim = entry.claim where entry.claim = excluded.claim
returning attempt_id
"""
_DECLINE = """
insert into reset_ledger as entry
(attempt_id, charger_id, epoch, message_id, claim, instance, claimed_at, escalation, outcome)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (attempt_id, escalation) do update set outcome = coalesce(entry.outcome, excluded.outcome)
where entry.outcome in ('expired', 'not_connected', 'other_session')
or (entry.outcome is null and entry.claim = excluded.claim)
returning outcome
"""
# Whoever writes the row first has won: a claim finds this one, and this finds a claim, which it leaves as it is.
_WITHDRAW = """
insert into reset_ledger as entry
(attempt_id, charger_id, epoch, message_id, claim, instance, claimed_at, escalation, outcome)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (attempt_id, escalation) do update set claim = entry.claim
returning outcome
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A Reset that was sent, or was about to be; `escalation` numbers those of one attempt from 0."""

    attempt_id: UUID
    charger_id: str
    epoch: int
    message_id: str
    outcome: str | None
    escalation: int = 0


class Ledger:
    """The table of Resets.

    Args:
        instance: tells the name of this instance.
    """

    def __init__(self, store: Store, clock: Clock, instance: Callable[[], str]) -> None:
        self._store = store
        self._clock = clock
        self._instance = instance

    async def claim(self, command: ResetCharger, message_id: str, claim: UUID) -> bool:
        """Whether the Reset may be sent, by the caller and by nobody else ever. One round trip.

        False when it was claimed before, or when its session is no longer the charger's last one on this instance.
        `claim` is the caller's own: the same call may be repeated after an error of which the outcome is unknown.
        """
        row = await self._store.fetch_one(
            _CLAIM,
            command.attempt_id,
            command.charger_id,
            command.epoch,
            message_id,
            claim,
            self._instance(),
            self._clock.now(),
            command.escalation,
        )
        return row is not None

    async def decline(self, command: ResetCharger, message_id: str, claim: UUID, *, expired: bool) -> WhyNot | None:
        """Writes down that the Reset will never be sent. Returns why, or None when it is not for this instance to say.

        That is so when the Reset was sent, or when another instance holds or held the charger's last session. A claim
        of the caller's own, after which it wrote nothing, is taken back.
        """
        held = await self._store.fetch_one(
            "select epoch from charger_sessions where charger_id = $1 and instance = $2",
            command.charger_id,
            self._instance(),
        )
        if held is None:
            return None
        why: WhyNot = "other_session" if held["epoch"] > command.epoch else "not_connected"
        row = await self._store.fetch_one(
            _DECLINE,
            command.attempt_id,
            command.charger_id,
            command.epoch,
            message_id,
            claim,
            self._instance(),
            self._clock.now(),
            command.escalation,
            "expired" if expired else why,
        )
        return None if row is None else cast("WhyNot", row["outcome"])

    async def withdraw(self, command: WithdrawReset, message_id: str, claim: UUID) -> bool:
        """Whether the Reset was not claimed and now never will be. One round trip; may be repeated, on any instance."""
        row = await self._store.fetch_one(
            _WITHDRAW,
            command.attempt_id,
            command.charger_id,
            command.epoch,
            message_id,
            claim,
            self._instance(),
            self._clock.now(),
            command.escalation,
            WITHDRAWN,
        )
        return row is not None and row["outcome"] in NEVER_SENT

    async def find(self, charger_id: str, message_id: str) -> Entry | None:
        """The Reset with this messageId, if one was sent to this charger and has no answer yet."""
        row = await self._store.fetch_one(
            "select * from reset_ledger where charger_id = $1 and message_id = $2 and coalesce(outcome, $3) = $3",
            charger_id,
            message_id,
            UNANSWERED,
        )
        return None if row is None else _entry(row)

    async def is_open(self, attempt_id: UUID, escalation: int = 0) -> bool:
        """Whether nothing has been said yet of what became of a Reset."""
        row = await self._store.fetch_one(
            "select 1 from reset_ledger where attempt_id = $1 and escalation = $2 and outcome is null",
            attempt_id,
            escalation,
        )
        return row is not None

    async def settle(self, attempt_id: UUID, outcome: str, escalation: int = 0) -> None:
        """Writes down what became of a Reset. `unanswered` gives way to an answer; an answer stays."""
        await self._store.execute(
            "update reset_ledger set outcome = $2 where attempt_id = $1 and escalation = $4 "
            "and (outcome is null or (outcome = $3 and $2 <> $3))",
            attempt_id,
            outcome,
            UNANSWERED,
            escalation,
        )

    async def left_by(self, instance: str) -> list[Entry]:
        """The Resets that an instance claimed and said nothing more of."""
        rows = await self._store.fetch(
            "select * from reset_ledger where instance = $1 and outcome is null order by claimed_at", instance
        )
        return [_entry(row) for row in rows]


def _entry(row: Any) -> Entry:
    return Entry(
        row["attempt_id"], row["charger_id"], row["epoch"], row["message_id"], row["outcome"], row["escalation"]
    )
