"""What becomes of a charger, and what is said about it."""

from dataclasses import replace

import pytest

from contracts import topics
from contracts.fleet import (
    ChargerRegistered,
    ChargerRemoved,
    CredentialRevoked,
    CredentialSet,
    Registration,
    SecurityProfile,
)
from fleet.chargers import (
    Description,
    Entry,
    RefusedError,
    answer_boots_with,
    follow_catalogue,
    register,
    remove,
    set_password,
    what_to_say,
)
from fleet.passwords import Verifier

NEVER_SEEN = Entry("C-1")
DESCRIPTION = Description("harbour", "Quay 1", None, None, "Terra AC", frozenset({"remote_restart"}))
SECRET = Verifier.of("a-password-of-a-charger")
REGISTERED = register(NEVER_SEEN, DESCRIPTION, 1, SECRET)


def said(before: Entry, after: Entry) -> list[tuple[str, type, int]]:
    return [(topic.name, type(message), version) for topic, message, version in what_to_say(before, after)]


def test_a_new_charger_is_said_with_its_credential() -> None:
    chargers = topics.FLEET_CHARGERS.name, ChargerRegistered, 1
    credentials = topics.FLEET_CREDENTIALS.name, CredentialSet, 1

    assert said(NEVER_SEEN, REGISTERED) == [chargers, credentials]


def test_the_event_holds_the_verifier_and_not_the_password() -> None:
    _, credential = [message for _, message, _ in what_to_say(NEVER_SEEN, REGISTERED)]

    assert isinstance(credential, CredentialSet)
    assert (credential.salt, credential.verifier) == (SECRET.salt, SECRET.digest)
    assert "a-password-of-a-charger" not in credential.model_dump_json()


def test_asking_for_the_same_again_changes_nothing_and_says_nothing() -> None:
    again = register(REGISTERED, DESCRIPTION, 1, None)

    assert again == REGISTERED
    assert said(REGISTERED, again) == []


def test_a_new_label_is_said_without_the_credential() -> None:
    renamed = register(REGISTERED, replace(DESCRIPTION, label="Quay 2"), 1, None)

    assert said(REGISTERED, renamed) == [(topics.FLEET_CHARGERS.name, ChargerRegistered, 2)]


@pytest.mark.parametrize("profile", [1, 2])
def test_a_charger_with_a_password_profile_needs_a_password(profile: SecurityProfile) -> None:
    with pytest.raises(RefusedError, match="needs a password") as refused:
        register(NEVER_SEEN, DESCRIPTION, profile, None)

    assert refused.value.field == "password"


@pytest.mark.parametrize("profile", [0, 3])
def test_a_charger_without_a_password_profile_has_none(profile: SecurityProfile) -> None:
    with pytest.raises(RefusedError, match=f"security profile {profile} has no password") as refused:
        register(NEVER_SEEN, DESCRIPTION, profile, SECRET)

    assert refused.value.field == "password"


def test_leaving_the_password_profiles_forgets_the_password() -> None:
    open_one = register(REGISTERED, DESCRIPTION, 0, None)

    assert open_one.credential is not None
    assert open_one.credential.verifier is None
    with pytest.raises(RefusedError, match="needs a password"):
        register(open_one, DESCRIPTION, 1, None)


def test_a_new_password_is_said_as_a_new_credential() -> None:
    changed = set_password(REGISTERED, Verifier.of("another-password-of-it"))

    assert said(REGISTERED, changed) == [(topics.FLEET_CREDENTIALS.name, CredentialSet, 2)]


def test_a_charger_without_passwords_gets_no_new_one() -> None:
    with pytest.raises(RefusedError, match="security profile 3 has no password"):
        set_password(register(NEVER_SEEN, DESCRIPTION, 3, None), SECRET)


def test_what_a_boot_is_answered_stays_when_the_charger_is_registered_again() -> None:
    pending = answer_boots_with(REGISTERED, Registration.PENDING)

    again = register(pending, replace(DESCRIPTION, label="Quay 2"), 1, None)

    assert again.credential is not None
    assert again.credential.registration is Registration.PENDING
    assert said(REGISTERED, pending) == [(topics.FLEET_CREDENTIALS.name, CredentialSet, 2)]


def test_removing_ends_both_and_the_versions_go_on() -> None:
    removed = remove(REGISTERED)
    back = register(removed, DESCRIPTION, 1, SECRET)

    assert said(REGISTERED, removed) == [
        (topics.FLEET_CHARGERS.name, ChargerRemoved, 2),
        (topics.FLEET_CREDENTIALS.name, CredentialRevoked, 2),
    ]
    assert (back.version, back.credential_version) == (3, 3)


def test_a_changed_catalogue_changes_what_the_charger_can_do() -> None:
    changed = follow_catalogue(REGISTERED, frozenset())

    assert changed.description is not None
    assert changed.description.abilities == frozenset()
    assert said(REGISTERED, changed) == [(topics.FLEET_CHARGERS.name, ChargerRegistered, 2)]
    assert follow_catalogue(remove(REGISTERED), frozenset()) == remove(REGISTERED)
