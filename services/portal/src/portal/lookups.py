"""Finding what a person may see; the same for the API and for the pages."""

from dataclasses import dataclass
from uuid import UUID

from chassis.http import Problem
from chassis.tokens import Person
from contracts.restart import RequestRestart
from contracts.words import Role
from portal import asking, feed, listing, views
from portal.context import Context
from portal.listing import ChargerFilter, RestartFilter
from portal.models import Attempt, Attempts, Charger, Chargers, Group, GroupOfMine, Me
from portal.present import attempt_line, details, line, story
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


@dataclass(frozen=True, slots=True)
class FoundChargers:
    """A page of chargers, the person's groups, and the cursor of the feed that both were read at."""

    page: Chargers
    groups: list[MembershipRow]
    cursor: int


ALL_CHARGERS = ChargerFilter()
ALL_RESTARTS = RestartFilter()


async def chargers(
    context: Context, person: Person, wanted: ChargerFilter = ALL_CHARGERS, *, after: str = "", limit: int = 200
) -> FoundChargers:
    """The chargers of the person's groups.

    Raises Problem (422) for an `after` that no page has said.
    """
    async with views.reading(context.database) as connection:
        cursor, groups = await views.rights(connection, person.user_id)
        mine = {row.group_id: row.role for row in groups}
        found, following, total = await listing.chargers(connection, list(mine), wanted, after=after, limit=limit)
        known = await views.chargers(connection, found) if found else {}
        rows = [known[each] for each in found if each in known]
        told = {each for row in rows for each in (row.open_attempt_id, row.last_attempt_id) if each}
        stories = await views.attempts(connection, told) if told else {}
    # A charger may have gone to a group of others since it was found.
    lines = [line(row, mine[row.group_id], stories, context.words, v=cursor) for row in rows if row.group_id in mine]
    return FoundChargers(Chargers(items=lines, total=total, next=following), groups, cursor)


async def restarts(
    context: Context, person: Person, wanted: RestartFilter = ALL_RESTARTS, *, after: str = "", limit: int = 50
) -> Attempts:
    """The restarts of the chargers of the person's groups, the latest first.

    Raises Problem (422) for an `after` that no page has said.
    """
    async with views.reading(context.database) as connection:
        mine = [row.group_id for row in await views.memberships(connection, person.user_id)]
        labels, following = await listing.restarts(connection, mine, wanted, after=after, limit=limit)
        rows = await views.attempts(connection, labels) if labels else {}
    items = [
        attempt_line(rows[each], label, context.words)
        for each, label in labels.items()
        if each in rows and rows[each].group_id in mine
    ]
    return Attempts(items=items, next=following)


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
