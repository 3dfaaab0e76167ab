"""What operators do with chargers: load, decide, save; one call, one transaction of the caller's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.calls import PasswordAccepted
from contracts.fleet import Registration, SecurityProfile
from fleet import chargers
from fleet.chargers import Description, Entry, RefusedError
from fleet.models import Catalogue
from fleet.passwords import Verifier, make_password
from fleet.store import Store

log = structlog.stdlib.get_logger(__name__)


class UnknownChargerError(Exception):
    """There is no such charger, or no longer."""

    def __init__(self, charger_id: str) -> None:
        super().__init__(f"there is no charger {charger_id!r}")
        self.charger_id = charger_id


@dataclass(frozen=True, slots=True)
class Wanted:
    """A charger as an operator wants it."""

    charger_id: str
    group_id: str
    label: str
    model: str
    security_profile: SecurityProfile
    site: str | None = None
    vendor: str | None = None
    password: str | None = field(default=None, repr=False)
    generate_password: bool = False


class Outcome(StrEnum):
    """What became of one wanted charger."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one wanted charger; `password` is the one that was made for it, to be shown this once."""

    charger_id: str
    outcome: Outcome
    password: str | None = field(default=None, repr=False)
    refusal: RefusedError | None = None


class Operations:
    """Changes chargers."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue

    async def register(self, session: AsyncSession, wanted: Sequence[Wanted]) -> list[Result]:
        """Makes each charger what is wanted, or says why it can't be; one that is refused does not hold up the rest.

        The results stand in the order of `wanted`, where no charger may come twice.
        """
        before = await self._store.load(session, [each.charger_id for each in wanted])
        unknown = await self._store.unknown_groups(session, [each.group_id for each in wanted])
        after = dict(before)
        results = []
        for each in wanted:
            entry = before[each.charger_id]
            try:
                if each.group_id in unknown:
                    raise RefusedError(
                        "group_id",
                        f"there is no group {each.group_id!r}; if it was created just now, try again in a moment",
                    )
                after[each.charger_id], password = self._register(entry, each)
            except RefusedError as refusal:
                results.append(Result(each.charger_id, Outcome.REFUSED, refusal=refusal))
            else:
                results.append(Result(each.charger_id, _outcome(entry, after[each.charger_id]), password))
        await self._store.save(session, before, after)
        return results

    async def remove(self, session: AsyncSession, charger_id: str) -> None:
        """Raises UnknownChargerError."""
        await self._change(session, charger_id, chargers.remove)

    async def make_new_password(self, session: AsyncSession, charger_id: str) -> str:
        """Replaces the charger's password and returns the new one. Raises UnknownChargerError and RefusedError."""
        password = make_password()
        await self._change(session, charger_id, lambda entry: chargers.set_password(entry, Verifier.of(password)))
        return password

    async def keep_accepted_password(self, session: AsyncSession, accepted: PasswordAccepted) -> None:
        """Takes over the password that a charger accepted over OCPP, unless something was said of it since."""
        verifier = Verifier(accepted.salt, accepted.verifier)
        before = await self._store.load(session, [accepted.charger_id])
        entry = before[accepted.charger_id]
        kept = chargers.keep_accepted_password(entry, verifier, accepted.replaces)
        if kept == entry:
            log.info("an accepted password is not taken over: the credential has changed", charger=accepted.charger_id)
        await self._store.save(session, before, {accepted.charger_id: kept})

    async def answer_boots_with(self, session: AsyncSession, charger_id: str, registration: Registration) -> None:
        """Raises UnknownChargerError."""
        await self._change(session, charger_id, lambda entry: chargers.answer_boots_with(entry, registration))

    async def follow_catalogue(self, session: AsyncSession) -> None:
        """Says again what each charger can do, where the catalogue has changed since it was said."""
        before = await self._store.load(session, await self._store.all_ids(session))
        after = {
            charger_id: chargers.follow_catalogue(entry, self._catalogue.abilities(entry.description.model))
            for charger_id, entry in before.items()
            if entry.description is not None
        }
        await self._store.save(session, before, after)

    def _register(self, entry: Entry, wanted: Wanted) -> tuple[Entry, str | None]:
        credential = entry.credential
        has_one = credential is not None and credential.verifier is not None
        made = make_password() if wanted.generate_password and not has_one else None
        description = Description(
            group_id=wanted.group_id,
            label=wanted.label,
            site=wanted.site,
            vendor=wanted.vendor,
            model=wanted.model,
            abilities=self._catalogue.abilities(wanted.model),
        )
        verifier = _verifier(entry, made or wanted.password)
        return chargers.register(entry, description, wanted.security_profile, verifier), made

    async def _change(self, session: AsyncSession, charger_id: str, change: Callable[[Entry], Entry]) -> None:
        before = await self._store.load(session, [charger_id])
        if before[charger_id].description is None:
            raise UnknownChargerError(charger_id)
        await self._store.save(session, before, {charger_id: change(before[charger_id])})


def _verifier(entry: Entry, password: str | None) -> Verifier | None:
    """A verifier of the password; the one that is kept, where it accepts it, so that asking twice changes nothing."""
    if password is None:
        return None
    kept = entry.credential.verifier if entry.credential is not None else None
    return kept if kept is not None and kept.accepts(password) else Verifier.of(password)


def _outcome(before: Entry, after: Entry) -> Outcome:
    if before == after:
        return Outcome.UNCHANGED
    return Outcome.CREATED if before.description is None else Outcome.UPDATED
