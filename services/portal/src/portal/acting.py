"""What a person may do: ask for a restart and take it back; the same for the API and for the pages."""

from uuid import UUID

from chassis.http import Problem
from chassis.tokens import Person
from contracts.availability import ROLES_THAT_RESTART
from portal import asking, lookups, views
from portal.asking import RestartRequest
from portal.context import Context
from portal.models import Attempt
from portal.present import story
from portal.story import tell_accepted
from portal.words import say


async def request_restart(
    portal: Context, charger_id: str, user_id: str, asked: RestartRequest, attempt_id: UUID
) -> Attempt:
    """Passes the request on, or answers with the attempt that it already is, or with the one that is open.

    Raises Problem: 404 for who is not a member, 429 for too many of them, 503 when Kafka does not have it.
    """
    async with views.reading(portal.database) as connection:
        known = await views.may_restart(connection, charger_id, user_id, attempt_id)
        if known is None:
            raise lookups.no_charger(portal)
        existing = attempt_id if known.attempt_known else known.open_attempt_id
        if existing is not None:
            row = (await views.attempts(connection, [existing])).get(existing)
            if row is not None:
                told = story(row, portal.words)
                return told.model_copy(update={"already_restarting": existing != attempt_id})
    portal.limits.restart(user_id, known.group_id)
    request = await asking.publish_request(portal, attempt_id, charger_id, user_id, asked)
    return tell_accepted(request, known.group_id, name=known.requester)


async def take_back(portal: Context, person: Person, attempt_id: UUID) -> Attempt:
    """Passes a cancellation on, and returns the attempt as it was.

    Raises Problem: 404, 403, or 409 when something was sent already.
    """
    attempt, role = await lookups.attempt(portal, person, attempt_id)
    if attempt.requested_by.user_id != person.user_id and role not in ROLES_THAT_RESTART:
        raise Problem(403, portal.words.text(say("sys.cancel_forbidden")))
    if not attempt.cancellable:
        raise Problem(409, portal.words.text(say("sys.cancel_late")), status_of_attempt=attempt.status.value)
    await asking.publish_cancel(portal, attempt_id, attempt.charger_id, person.user_id)
    return attempt
