"""Asking for a restart and taking it back: what goes to Kafka, and what is remembered until it is answered."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import UUID, uuid4, uuid5

import structlog
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.http import Problem
from chassis.publisher import PublishFailedError
from chassis.trace import current_traceparent
from contracts import topics
from contracts.envelope import Envelope, Message, derived_id, service_source
from contracts.restart import CancelRestart, RequestRestart, Strength, When
from contracts.words import Label
from portal.context import Context

log = structlog.stdlib.get_logger(__name__)

_ATTEMPTS = UUID("6d0f2c1e-5a4b-5d43-9f6e-0c8f7a3b2e11")
"""Namespace of attempt ids, which derive from person, charger and Idempotency-Key."""
LONGEST_WAIT = timedelta(days=7)

_MAY_RESTART = """
    with known as (
        select c.group_id, m.name, (select a.attempt_id from attempts a where a.attempt_id = $1::uuid) as this,
            (select a.attempt_id from attempts a where a.charger_id = c.charger_id and not a.ended
                order by a.requested_at desc limit 1) as open
        from chargers c join memberships m using (group_id) where c.charger_id = $2 and m.user_id = $3
    ), claimed as (
        insert into request_keys as key (attempt_id, fingerprint)
        select $1::uuid, $4::bytea from known where $4::bytea is not null
        on conflict (attempt_id) do update set fingerprint = key.fingerprint
        returning fingerprint
    )
    select known.*, (select fingerprint = $4::bytea from claimed), set_config('synchronous_commit', 'off', true)
    from known
"""
"""The first who comes with a key claims it for what they ask; the others, at the same moment too, see what that was.

Nobody waits for the disk: were the claim lost with PostgreSQL's last half second, the key's attempt is still the same.
"""
_REMEMBER = """
    with remembered as (
        insert into accepted_requests (attempt_id, charger_id, request) select $1::uuid, $2, $3::text::jsonb
        where not exists (select 1 from attempts where attempt_id = $1::uuid) on conflict do nothing
    )
    select set_config('synchronous_commit', 'off', true)
"""
"""Nobody waits for the disk here either: Kafka has the request."""
_REMEMBERED = text("select request::text from accepted_requests where attempt_id = :attempt_id")


class RestartRequest(BaseModel):
    """How to restart a charger. Everything has a default: an empty body restarts it now.

    Attributes:
        when: `now`, `idle` (when no vehicle is charging) or `online` (when an offline charger is back).
        type: `auto` takes the gentlest way that the charger knows; `soft` and `hard` are OCPP 1.6's.
        evse_id: restart one EVSE only (OCPP 2.x).
        expires_in: for how many seconds `idle` and `online` wait.
        interrupt_charging: a running transaction may be ended by it; without it, `now` is refused while one runs.
        note: for the record.
    """

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"when": "now", "type": "auto", "note": "screen is frozen"}]}
    )

    when: When = When.NOW
    type: Strength = Strength.AUTO
    evse_id: Annotated[int, Field(ge=1, le=1000)] | None = None
    expires_in: Annotated[int, Field(ge=1, le=int(LONGEST_WAIT.total_seconds()))] | None = None
    interrupt_charging: bool = False
    note: Annotated[Label, Field(pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$")] | None = None


def attempt_id_for(user_id: str, charger_id: str, key: str | None) -> UUID:
    """The attempt that a request is: the same for the same person, charger and key; a new one without a key."""
    return uuid4() if key is None else uuid5(_ATTEMPTS, f"{user_id}\n{charger_id}\n{key}")


@dataclass(frozen=True, slots=True)
class MayRestart:
    """What must be known before a request is passed on: nothing here decides about it.

    Attributes:
        same: what is asked for is what its key was first used for.
    """

    group_id: str
    requester: str
    attempt_known: bool
    open_attempt_id: UUID | None
    same: bool


async def may_restart(
    database: Database, charger_id: str, user_id: str, asked: RestartRequest, attempt_id: UUID, *, keyed: bool
) -> MayRestart | None:
    """Whether the person is a member of the charger's group, and which attempts are known; None for no member.

    A member's key is claimed for what they ask. `keyed`: the attempt's id derives from a key.
    """
    fingerprint = _fingerprint(asked) if keyed else None
    rows = await database.fetch(_MAY_RESTART, attempt_id, charger_id, user_id, fingerprint)
    if not rows:
        return None
    (row,) = rows
    return MayRestart(row[0], row[1], row[2] is not None, row[3], row[4] is not False)


def _fingerprint(asked: RestartRequest) -> bytes:
    """The same for what means the same: what is left out is its default, also one that a later version adds."""
    return hashlib.blake2b(asked.model_dump_json(exclude_defaults=True).encode(), digest_size=16).digest()


async def publish_request(
    context: Context, attempt_id: UUID, charger_id: str, user_id: str, asked: RestartRequest
) -> RequestRestart:
    """Hands the request to Kafka, and remembers it until the orchestrator has spoken of it.

    Raises Problem (503) when Kafka has not said that it has it: the same request may then be sent again.
    """
    now = context.clock.now()
    request = RequestRestart(
        attempt_id=attempt_id,
        charger_id=charger_id,
        requested_by=user_id,
        requested_at=now,
        when=asked.when,
        strength=asked.type,
        evse_id=asked.evse_id,
        expires_at=now + timedelta(seconds=asked.expires_in) if asked.expires_in else None,
        interrupt_charging=asked.interrupt_charging,
        note=asked.note,
    )
    await _publish(context, request, attempt_id)
    try:
        await context.database.fetch(_REMEMBER, attempt_id, charger_id, request.model_dump_json())
    except (SQLAlchemyError, OSError) as error:
        # Kafka has it, so it is accepted; only asking for it before the orchestrator's word would answer 404.
        log.warning("an accepted request could not be remembered", attempt_id=str(attempt_id), why=repr(error))
    return request


async def publish_cancel(context: Context, attempt_id: UUID, charger_id: str, user_id: str) -> None:
    """Hands the cancellation to Kafka. Raises Problem (503) like `publish_request`."""
    await _publish(
        context, CancelRestart(attempt_id=attempt_id, charger_id=charger_id, cancelled_by=user_id), attempt_id, user_id
    )


async def remembered(connection: AsyncConnection, attempt_id: UUID) -> RequestRestart | None:
    """A request that Kafka has; None when there is none, or its row is gone because the orchestrator has spoken."""
    row = (await connection.execute(_REMEMBERED, {"attempt_id": attempt_id})).scalar_one_or_none()
    return None if row is None else RequestRestart.model_validate_json(row)


async def _publish(context: Context, message: Message, attempt_id: UUID, by: str = "") -> None:
    envelope = Envelope(
        id=derived_id(attempt_id, f"{message.wire_type}/{by}"),
        source=service_source("portal"),
        time=context.clock.now(),
        data=message,
        traceparent=current_traceparent(),
    )
    try:
        await context.publisher.publish(topics.RESTART_REQUESTS, envelope)
    except PublishFailedError as error:
        log.warning("a request did not reach Kafka", attempt_id=str(attempt_id), why=str(error))
        raise Problem(
            503,
            "We don't know if the request was received. Send it again with the same Idempotency-Key: "
            "that can't restart the charger twice",
            title="The request may not have been received",
            headers={"retry-after": "2"},
            attempt_id=str(attempt_id),
        ) from error
