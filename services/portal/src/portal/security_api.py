"""The HTTP calls that tell who was not let in, and the words for it."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Response

from chassis.http import Problem
from chassis.tokens import Person
from contracts.availability import ROLES_THAT_RESTART
from portal import lookups, security, views
from portal.api import ChargerIdInPath, KnownTag, tagged
from portal.context import Context, Portal
from portal.models import Says, Shape
from portal.people import Caller
from portal.security import RefusalRow, StrangerRow
from portal.words import Catalogue, say

router = APIRouter(prefix="/api/v1")


class SecurityEvent(Shape):
    """Somebody was not let in under this charger's name, `count` times in this way; `detail` is for people.

    Attributes:
        why: `wrong_password`, `no_password`, `wrong_profile`, `wrong_certificate`, `wrong_serial`, `too_many`; the list
            is open.
        cause: what was wrong with a certificate, for instance `expired` or `strange_authority`; the list is open.
        named_by: `certificate`: the name stood in a certificate that was not accepted, and anybody can write it there.
        address: where it came from.
    """

    why: str
    cause: str | None
    named_by: Literal["request", "certificate"]
    address: str
    count: int
    first_at: datetime
    last_at: datetime
    detail: str
    says: Says


class SecurityEvents(Shape):
    """The kinds of refusals that happened last, the latest first."""

    charger_id: str
    items: list[SecurityEvent]


class Stranger(Shape):
    """Somebody who named no charger that is known was turned away by TLS, `count` times in this way.

    Attributes:
        why: `wrong_certificate` or `too_many`.
        cause: what was wrong with the certificate; the list is open.
        claimed_name: the name in the last certificate, where anybody can write anything.
    """

    why: str
    cause: str | None
    address: str
    claimed_name: str | None
    count: int
    first_at: datetime
    last_at: datetime
    detail: str


class Strangers(Shape):
    """The latest first."""

    items: list[Stranger]


@router.get(
    "/chargers/{charger_id}/security-events",
    tags=["chargers"],
    summary="Who was not let in under this charger's name",
    description="For administrators and super-administrators of its group, and operators of this system.",
    response_model=SecurityEvents,
)
async def list_security_events(
    charger_id: ChargerIdInPath, portal: Portal, person: Caller, known: KnownTag = None
) -> Response:
    found = await of_charger(portal, person, charger_id)
    if found is None:
        raise Problem(403, portal.words.text(say("security.forbidden")))
    return tagged(found, known)


@router.get(
    "/strangers",
    tags=["operators"],
    summary="Who was turned away without having named a charger",
    description="For operators of this system: certificates that TLS did not accept and that name no charger, and "
    "addresses that had too many of them.",
    response_model=Strangers,
)
async def list_strangers(portal: Portal, person: Caller, known: KnownTag = None) -> Response:
    if not person.operator:
        raise Problem(403, "Only operators of this system may see this")
    async with views.reading(portal.database) as connection:
        rows = await security.strangers(connection)
    return tagged(Strangers(items=[_stranger(row, portal.words) for row in rows]), known)


async def of_charger(context: Context, person: Person, charger_id: str) -> SecurityEvents | None:
    """Who was not let in; None for somebody whom that is not told. Raises Problem (404)."""
    async with views.reading(context.database) as connection:
        role = await views.role_for(connection, charger_id, person.user_id)
        if role is None and not (person.operator and await views.chargers(connection, [charger_id])):
            raise lookups.no_charger(context)
        if not person.operator and role not in ROLES_THAT_RESTART:
            return None
        rows = await security.refusals(connection, charger_id)
    return SecurityEvents(charger_id=charger_id, items=[event(row, context.words) for row in rows])


def event(row: RefusalRow, words: Catalogue) -> SecurityEvent:
    """A row with its sentence."""
    code = "security.claimed" if row.named_by == "certificate" else "security.event"
    several = row.count > 1
    saying = say(
        code,
        why=_what(row, words),
        address=row.address,
        count=row.count if several else None,
        first=row.first_at if several else None,
    )
    return SecurityEvent(
        why=row.why,
        cause=row.cause or None,
        named_by="certificate" if row.named_by == "certificate" else "request",
        address=row.address,
        count=row.count,
        first_at=row.first_at,
        last_at=row.last_at,
        detail=words.text(saying),
        says=Says(code=saying.code, params=saying.params),
    )


def _stranger(row: StrangerRow, words: Catalogue) -> Stranger:
    saying = say("security.stranger", why=_what(row, words), address=row.address, name=row.claimed_name)
    return Stranger(
        why=row.why,
        cause=row.cause or None,
        address=row.address,
        claimed_name=row.claimed_name,
        count=row.count,
        first_at=row.first_at,
        last_at=row.last_at,
        detail=words.text(saying),
    )


def _what(row: RefusalRow | StrangerRow, words: Catalogue) -> str:
    """The word of the catalogue that says most."""
    return row.cause if words.word("refusal", row.cause) != row.cause else row.why
