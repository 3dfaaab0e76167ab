"""Finding what a person may see; the same for the API and for the pages."""

from uuid import UUID

from chassis.http import Problem
from chassis.tokens import Person
from contracts.restart import RequestRestart
from contracts.words import Role
from portal import asking, feed, views
from portal.context import Context
from portal.models import Attempt, Charger, Chargers, Group, GroupOfMine, Me
from portal.present import details, line, story
from portal.story import tell_accepted
from portal.views import MembershipRow
from portal.words import say


def no_charger(context: Context) -> Problem:
    """The same answer for a charger that does not exist and for one that is not theirs to know of."""
    return Problem(404, context.words.text(say("sys.notfound")))


def no_attempt(context: Context) -> Problem:
    """The same answer for an attempt that does not exist and for one that is not theirs to know of."""
    return Problem(404, context.words.text(say("sys.no_attempt")))


async def me(context: Context, person: Person) -> Me:
    """Who the person is, and in which groups."""
    async with views.reading(context.database) as connection:
        groups = await views.memberships(connection, person.user_id)
    return Me(
        user_id=person.user_id,
        name=person.name,
        operator=person.operator,
        expires_at=person.expires_at,
        groups=[_group(row) for row in groups],
    )


async def chargers(
    context: Context, person: Person, *, q: str = "", after: str = "", limit: int = 200
) -> tuple[Chargers, int]:
    """The chargers of the person's groups, and the cursor of the feed that they were read at."""
    async with views.reading(context.database) as connection:
        cursor = (await feed.bounds(connection))[1]
        mine = {row.group_id: row.role for row in await views.memberships(connection, person.user_id)}
        rows, total = await views.chargers_of_groups(connection, list(mine), q=q.strip(), after=after, limit=limit + 1)
        more, rows = len(rows) > limit, rows[:limit]
        wanted = {found for row in rows for found in (row.open_attempt_id, row.last_attempt_id) if found}
        stories = await views.attempts(connection, wanted) if wanted else {}
    lines = [line(row, mine[row.group_id], stories, context.words, v=cursor) for row in rows]
    return Chargers(items=lines, total=total, next=rows[-1].charger_id if more else None), cursor


async def charger(context: Context, person: Person, charger_id: str) -> Charger:
    """The charger. Raises Problem (404) when there is none that the person may know of."""
    async with views.reading(context.database) as connection:
        cursor = (await feed.bounds(connection))[1]
        row = (await views.chargers(connection, [charger_id])).get(charger_id)
        role = await views.role_for(connection, charger_id, person.user_id) if row else None
        if row is None or role is None:
            raise no_charger(context)
        wanted = [found for found in (row.open_attempt_id, row.last_attempt_id) if found]
        stories = await views.attempts(connection, wanted) if wanted else {}
    return details(row, role, stories, context.words, v=cursor)


async def attempt(context: Context, person: Person, attempt_id: UUID) -> tuple[Attempt, Role]:
    """The attempt, and the person's role in its group. Raises Problem (404)."""
    async with views.reading(context.database) as connection:
        row = (await views.attempts(connection, [attempt_id])).get(attempt_id)
        if row is None:
            request = await asking.remembered(connection, attempt_id)
            # The orchestrator's word may have come between the two reads, and removed what was remembered.
            row = None if request else (await views.attempts(connection, [attempt_id])).get(attempt_id)
            if request is not None:
                return await _accepted(context, person, request)
        if row is not None and row.group_id is not None:
            role = (await views.roles(connection, [row.group_id], [person.user_id])).get((row.group_id, person.user_id))
            if role is not None:
                return story(row, context.words), role
    raise no_attempt(context)


async def _accepted(context: Context, person: Person, request: RequestRestart) -> tuple[Attempt, Role]:
    async with views.reading(context.database) as connection:
        role = await views.role_for(connection, request.charger_id, person.user_id)
        row = (await views.chargers(connection, [request.charger_id])).get(request.charger_id)
    if role is None or row is None:
        raise no_attempt(context)
    name = person.name if request.requested_by == person.user_id else None
    return tell_accepted(request, row.group_id, name=name), role


def _group(row: MembershipRow) -> GroupOfMine:
    return GroupOfMine(
        **dict(Group(group_id=row.group_id, name=row.group_name)),
        role=row.role,
        plan=row.plan,
        features=sorted(row.features),
    )
