"""What a person may do: ask for a restart and take it back; the same for the API and for the pages."""

import asyncio
import time
from uuid import UUID

from chassis.http import Problem
from chassis.tasks import delays
from chassis.tokens import Person
from contracts.availability import ROLES_THAT_RESTART
from contracts.restart import Status
from portal import asking, lookups, views
from portal.asking import RestartRequest
from portal.context import Context
from portal.models import Attempt
from portal.present import story
from portal.story import tell_accepted
from portal.words import say


async def request_restart(
    portal: Context, charger_id: str, user_id: str, asked: RestartRequest, key: str | None
) -> Attempt:
    """Passes the request on, or answers with the attempt that it already is, or with the one that is open.

    Raises Problem: 404 for who is not a member, 422 when the key was used for another request, 429 for too many of
    them, 503 when Kafka does not have it.
    """
    attempt_id = asking.attempt_id_for(user_id, charger_id, key)
    known = await asking.may_restart(portal.database, charger_id, user_id, asked, attempt_id, keyed=key is not None)
    if known is None:
        raise lookups.no_charger(portal)
    if not known.same:
        raise _key_reused(portal, attempt_id)
    existing = attempt_id if known.attempt_known else known.open_attempt_id
    if existing is not None:
        async with views.reading(portal.database) as connection:
            row = (await views.attempts(connection, [existing])).get(existing)
        if row is not None:
            told = story(row, portal.words)
            return told.model_copy(update={"already_restarting": existing != attempt_id})
    portal.limits.restart(user_id, known.group_id)
    request = await asking.publish_request(portal, attempt_id, charger_id, user_id, asked)
    return tell_accepted(request, known.group_id, name=known.requester)


def _key_reused(portal: Context, attempt_id: UUID) -> Problem:
    why = portal.words.text(say("sys.key_reused"))
    errors = [{"field": "header.Idempotency-Key", "detail": why, "code": "idempotency_key_reused"}]
    title = "Idempotency-Key is already used"
    return Problem(422, why, title=title, errors=errors, attempt_id=str(attempt_id))


async def take_back(portal: Context, person: Person, attempt_id: UUID) -> Attempt:
    """Passes a cancellation on, and returns the attempt with what came of that; as it is, where that takes long.

    Raises Problem: 404, 403, or 409 when its Reset was claimed for sending before, or it is over.
    """
    attempt, role = await lookups.attempt(portal, person, attempt_id)
    if attempt.requested_by.user_id != person.user_id and role not in ROLES_THAT_RESTART:
        raise Problem(403, portal.words.text(say("sys.cancel_forbidden")))
    if attempt.ended:
        return _taken_back(portal, attempt)
    if attempt.withdrawal is None:
        # Even where it is known to be too late: the record tells that somebody wanted it.
        await asking.publish_cancel(portal, attempt_id, attempt.charger_id, person.user_id)
    give_up = time.monotonic() + portal.settings.take_back_s
    for delay in delays(0.02, longest=0.2):
        attempt, _ = await lookups.attempt(portal, person, attempt_id)
        if not attempt.cancellable and not _is_being_taken_back(attempt):
            return _taken_back(portal, attempt)
        if time.monotonic() >= give_up:
            break
        await asyncio.sleep(delay)
    return attempt


def _is_being_taken_back(attempt: Attempt) -> bool:
    return attempt.withdrawal is not None and attempt.withdrawal.answer is None and not attempt.ended


def _taken_back(portal: Context, attempt: Attempt) -> Attempt:
    """The attempt, if it was taken back. Raises Problem (409) when it can't be any more."""
    if attempt.status is Status.CANCELLED:
        return attempt
    why = "sys.cancel_over" if attempt.ended else "sys.cancel_late"
    raise Problem(409, portal.words.text(say(why)), status_of_attempt=attempt.status.value)
