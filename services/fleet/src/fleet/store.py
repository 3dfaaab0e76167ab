"""Chargers in the database: loaded to be changed, saved with what is said about the change, or shown page by page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Row, Select, Table, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.clock import Clock
from chassis.outbox import Outbox
from chassis.telemetry import current_traceparent
from contracts.envelope import Envelope, Message, derived_id, service_source
from contracts.fleet import Registration, SecurityProfile
from contracts.topics import Service, Topic
from fleet.chargers import Credential, Description, Entry, what_to_say
from fleet.passwords import Verifier
from fleet.tables import SCHEMA, chargers, connectivity, credentials, groups

SOURCE = service_source(Service.FLEET)
_ORIGIN = uuid5(NAMESPACE_URL, SOURCE)
_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtext(:what))")
_ROWS_A_STATEMENT = 1000


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether a charger is online, and since when it is or is not."""

    online: bool
    since: datetime
    epoch: int
    protocol: str | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A charger as it is shown: nothing secret, and what is known of its connection."""

    charger_id: str
    description: Description
    security_profile: SecurityProfile
    registration: Registration
    seen: Seen | None


class Store:
    """Reads and writes chargers, inside of the caller's transaction."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock

    async def load(self, session: AsyncSession, charger_ids: Sequence[str]) -> dict[str, Entry]:
        """What is kept of each charger, to be changed: from here to the commit nobody else changes any.

        Changes are an operator's and rare, so they exclude each other altogether; thus versions never meet.
        """
        await session.execute(_ONE_AT_A_TIME, {"what": f"{SCHEMA}.chargers"})
        entries = {charger_id: Entry(charger_id) for charger_id in charger_ids}
        kept = select(chargers).where(chargers.c.charger_id.in_(entries))
        proofs = select(credentials).where(credentials.c.charger_id.in_(entries))
        credential_of = {row.charger_id: row for row in await session.execute(proofs)}
        for row in await session.execute(kept):
            entries[row.charger_id] = _entry(row, credential_of[row.charger_id])
        return entries

    async def all_ids(self, session: AsyncSession) -> Sequence[str]:
        """The ids of all chargers that are ours."""
        query = select(chargers.c.charger_id).where(chargers.c.removed.is_(False)).order_by(chargers.c.charger_id)
        return (await session.execute(query)).scalars().all()

    async def save(self, session: AsyncSession, before: Mapping[str, Entry], after: Mapping[str, Entry]) -> None:
        """Writes what differs, and says so."""
        now = self._clock.now()
        described = [entry for entry in after.values() if entry.version != before[entry.charger_id].version]
        await _upsert(session, chargers, [_charger_row(entry, now) for entry in described])
        proving = [
            entry for entry in after.values() if entry.credential_version != before[entry.charger_id].credential_version
        ]
        await _upsert(session, credentials, [_credential_row(entry, now) for entry in proving])
        said: dict[Topic, list[Envelope[Message]]] = {}
        for entry in after.values():
            for topic, message, version in what_to_say(before[entry.charger_id], entry):
                said.setdefault(topic, []).append(_envelope(message, version, now))
        for topic, envelopes in said.items():
            await self._outbox.add(session, topic, envelopes)

    async def unknown_groups(self, session: AsyncSession, group_ids: Sequence[str]) -> set[str]:
        """Those of the groups that have not been heard of."""
        wanted = set(group_ids)
        known = await session.execute(select(groups.c.group_id).where(groups.c.group_id.in_(wanted)))
        return wanted - set(known.scalars())

    async def show(self, session: AsyncSession, charger_id: str) -> Shown | None:
        """One charger, or None."""
        row = (await session.execute(_shown().where(chargers.c.charger_id == charger_id))).one_or_none()
        return None if row is None else _to_shown(row)

    async def page(
        self, session: AsyncSession, *, after: str, limit: int, group_id: str | None = None
    ) -> Sequence[Shown]:
        """Chargers in the order of their ids, from the one that follows `after`."""
        query = _shown().where(chargers.c.charger_id > after)
        if group_id is not None:
            query = query.where(chargers.c.group_id == group_id)
        rows = await session.execute(query.order_by(chargers.c.charger_id).limit(limit))
        return [_to_shown(row) for row in rows]


def _envelope(message: Message, version: int, now: datetime) -> Envelope[Message]:
    return Envelope(
        id=derived_id(_ORIGIN, f"{message.wire_type}/{message.key()}/{version}"),
        source=SOURCE,
        time=now,
        data=message,
        traceparent=current_traceparent(),
    )


async def _upsert(session: AsyncSession, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        statement = insert(table).values(rows[start : start + _ROWS_A_STATEMENT])
        changes = {column.name: statement.excluded[column.name] for column in table.c if not column.primary_key}
        await session.execute(statement.on_conflict_do_update(index_elements=[table.c.charger_id], set_=changes))


def _entry(row: Row[Any], credential: Row[Any]) -> Entry:
    return Entry(
        row.charger_id,
        None if row.removed else _description(row),
        row.version,
        None if credential.revoked else _credential(credential),
        credential.version,
    )


def _description(row: Row[Any]) -> Description:
    return Description(row.group_id, row.label, row.site, row.vendor, row.model, frozenset(row.abilities))


def _credential(row: Row[Any]) -> Credential:
    verifier = None if row.verifier is None else Verifier(row.salt, row.verifier)
    return Credential(row.security_profile, verifier, Registration(row.registration))


def _charger_row(entry: Entry, now: datetime) -> dict[str, Any]:
    is_now = entry.description
    return {
        "charger_id": entry.charger_id,
        "removed": is_now is None,
        "group_id": is_now.group_id if is_now else None,
        "label": is_now.label if is_now else None,
        "site": is_now.site if is_now else None,
        "vendor": is_now.vendor if is_now else None,
        "model": is_now.model if is_now else None,
        "abilities": sorted(is_now.abilities) if is_now else [],
        "version": entry.version,
        "changed_at": now,
    }


def _credential_row(entry: Entry, now: datetime) -> dict[str, Any]:
    is_now = entry.credential
    verifier = is_now.verifier if is_now else None
    return {
        "charger_id": entry.charger_id,
        "revoked": is_now is None,
        "security_profile": is_now.security_profile if is_now else 0,
        "salt": verifier.salt if verifier else None,
        "verifier": verifier.digest if verifier else None,
        "registration": (is_now.registration if is_now else Registration.REJECTED).value,
        "version": entry.credential_version,
        "changed_at": now,
    }


def _shown() -> Select[Any]:
    return (
        select(
            chargers,
            credentials.c.security_profile,
            credentials.c.registration,
            connectivity.c.online,
            connectivity.c.since,
            connectivity.c.epoch,
            connectivity.c.protocol,
        )
        .join(credentials, credentials.c.charger_id == chargers.c.charger_id)
        .outerjoin(connectivity, connectivity.c.charger_id == chargers.c.charger_id)
        .where(chargers.c.removed.is_(False))
    )


def _to_shown(row: Row[Any]) -> Shown:
    seen = None if row.online is None else Seen(row.online, row.since, row.epoch, row.protocol)
    return Shown(row.charger_id, _description(row), row.security_profile, Registration(row.registration), seen)
