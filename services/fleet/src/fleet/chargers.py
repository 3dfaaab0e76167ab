"""PURE: what becomes of a charger when an operator asks for something, and what is then to be said about it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from contracts import topics
from contracts.envelope import Message
from contracts.fleet import (
    ChargerRegistered,
    ChargerRemoved,
    CredentialRevoked,
    CredentialSet,
    Registration,
    SecurityProfile,
)
from contracts.topics import Topic
from fleet.passwords import Verifier

WITH_PASSWORD = frozenset({1, 2})
"""The security profiles under which a charger proves itself by a password; 0 proves nothing, 3 has a certificate."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a charger is and whose."""

    group_id: str
    label: str
    site: str | None
    vendor: str | None
    model: str
    abilities: frozenset[str]


@dataclass(frozen=True, slots=True)
class Credential:
    """How a charger proves who it is, and what its next boot is answered."""

    security_profile: SecurityProfile
    verifier: Verifier | None
    registration: Registration = Registration.ACCEPTED


@dataclass(frozen=True, slots=True)
class Entry:
    """All that is kept of one charger.

    Both parts are None for one that was never registered or was removed; the versions go on counting over a removal,
    so that a reader never takes the old for the new.
    """

    charger_id: str
    description: Description | None = None
    version: int = 0
    credential: Credential | None = None
    credential_version: int = 0


class RefusedError(Exception):
    """The operator asked for something that can't be; `field` is the part of the request that is wrong."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field
        self.why = why


def register(
    entry: Entry, description: Description, security_profile: SecurityProfile, verifier: Verifier | None
) -> Entry:
    """The charger is this from now on; what its next boot is answered stays as it was.

    Without a new verifier it keeps its password; raises RefusedError if it has none.
    """
    current = entry.credential
    if security_profile not in WITH_PASSWORD:
        if verifier is not None:
            raise RefusedError("password", f"a charger with security profile {security_profile} has no password")
    elif verifier is None:
        verifier = current.verifier if current is not None else None
        if verifier is None:
            raise RefusedError(
                "password",
                f"a charger with security profile {security_profile} needs a password: give one, or have one made "
                "with generate_password",
            )
    registration = current.registration if current is not None else Registration.ACCEPTED
    return _prove(_describe(entry, description), Credential(security_profile, verifier, registration))


def set_password(entry: Entry, verifier: Verifier) -> Entry:
    """The charger has another password from now on. Raises RefusedError under a profile that has none."""
    credential = entry.credential
    if credential is None:
        return entry
    if credential.security_profile not in WITH_PASSWORD:
        raise RefusedError(
            "security_profile", f"a charger with security profile {credential.security_profile} has no password"
        )
    return _prove(entry, replace(credential, verifier=verifier))


def keep_accepted_password(entry: Entry, verifier: Verifier, replaces: int) -> Entry:
    """The charger has accepted this password over OCPP, when its credential had the version `replaces`.

    Nothing becomes of it where the credential has changed since: what an operator said later counts, and the bridge
    tells it again where only something else than the password has changed.
    """
    credential = entry.credential
    if credential is None or credential.security_profile not in WITH_PASSWORD or entry.credential_version != replaces:
        return entry
    return _prove(entry, replace(credential, verifier=verifier))


def answer_boots_with(entry: Entry, registration: Registration) -> Entry:
    """The charger's next boot is answered with this."""
    credential = entry.credential
    if credential is None:
        return entry
    return _prove(entry, replace(credential, registration=registration))


def remove(entry: Entry) -> Entry:
    """The charger is no longer one of ours, and may no longer connect."""
    return _prove(_describe(entry, None), None)


def follow_catalogue(entry: Entry, abilities: frozenset[str]) -> Entry:
    """The charger can do what the catalogue now says of its model."""
    if entry.description is None:
        return entry
    return _describe(entry, replace(entry.description, abilities=abilities))


def _describe(entry: Entry, description: Description | None) -> Entry:
    if description == entry.description:
        return entry
    return replace(entry, description=description, version=entry.version + 1)


def _prove(entry: Entry, credential: Credential | None) -> Entry:
    if credential == entry.credential:
        return entry
    return replace(entry, credential=credential, credential_version=entry.credential_version + 1)


def what_to_say(before: Entry, after: Entry) -> Iterator[tuple[Topic, Message, int]]:
    """Each event that the change calls for: its topic, itself, and the version that makes its id."""
    if after.version != before.version:
        yield topics.FLEET_CHARGERS, _charger_event(after), after.version
    if after.credential_version != before.credential_version:
        yield topics.FLEET_CREDENTIALS, _credential_event(after), after.credential_version


def _charger_event(entry: Entry) -> Message:
    is_now = entry.description
    if is_now is None:
        return ChargerRemoved(charger_id=entry.charger_id)
    return ChargerRegistered(
        charger_id=entry.charger_id,
        group_id=is_now.group_id,
        label=is_now.label,
        site=is_now.site,
        vendor=is_now.vendor,
        model=is_now.model,
        abilities=is_now.abilities,
        version=entry.version,
    )


def _credential_event(entry: Entry) -> Message:
    is_now = entry.credential
    if is_now is None:
        return CredentialRevoked(charger_id=entry.charger_id)
    return CredentialSet(
        charger_id=entry.charger_id,
        security_profile=is_now.security_profile,
        salt=is_now.verifier.salt if is_now.verifier else None,
        verifier=is_now.verifier.digest if is_now.verifier else None,
        registration=is_now.registration,
        version=entry.credential_version,
    )
