"""Passwords that chargers accepted over OCPP become their credentials, unless an operator said something since."""

from typing import Any
from uuid import uuid4

from chassis.clock import SystemClock
from contracts import topics
from contracts.calls import PasswordAccepted
from contracts.fleet import CredentialSet, Registration
from fleet.passwords import Verifier

NEW = Verifier.of("0123456789abcdef0123456789abcdef")


def accepted(replaces: int, verifier: Verifier = NEW, charger_id: str = "C-1") -> PasswordAccepted:
    return PasswordAccepted(
        charger_id=charger_id,
        call_id=uuid4(),
        salt=verifier.salt,
        verifier=verifier.digest,
        replaces=replaces,
        accepted_at=SystemClock().now(),
    )


async def last(fleet: Any) -> CredentialSet:
    said = (await fleet.said(topics.FLEET_CREDENTIALS))[-1]
    assert isinstance(said, CredentialSet)
    return said


async def test_an_accepted_password_is_kept_and_said(fleet: Any) -> None:
    await fleet.register("C-1", security_profile=2)
    await fleet.hear(topics.OCPP_CREDENTIAL_CHANGES, [accepted(1)])
    said = await last(fleet)
    assert (said.salt, said.verifier, said.version) == (NEW.salt, NEW.digest, 2)
    assert (said.security_profile, said.registration) == (2, Registration.ACCEPTED)


async def test_the_same_news_twice_change_nothing_more(fleet: Any) -> None:
    await fleet.register("C-1")
    await fleet.hear(topics.OCPP_CREDENTIAL_CHANGES, [accepted(1), accepted(1)])
    assert (await last(fleet)).version == 2


async def test_news_about_a_credential_that_has_changed_since_are_not_taken(fleet: Any) -> None:
    await fleet.register("C-1")
    await fleet.http.put("/api/v1/chargers/C-1/registration", json={"registration": "pending"})
    await fleet.hear(topics.OCPP_CREDENTIAL_CHANGES, [accepted(1)])
    assert (await last(fleet)).verifier != NEW.digest
    await fleet.hear(topics.OCPP_CREDENTIAL_CHANGES, [accepted(2)])
    said = await last(fleet)
    assert (said.verifier, said.registration, said.version) == (NEW.digest, Registration.PENDING, 3)


async def test_a_charger_that_has_no_password_any_more_or_is_gone_is_not_given_one(fleet: Any) -> None:
    await fleet.register("C-1")
    await fleet.register("C-1", security_profile=3, password=None)
    await fleet.hear(topics.OCPP_CREDENTIAL_CHANGES, [accepted(2), accepted(0, charger_id="never-seen")])
    said = await last(fleet)
    assert (said.security_profile, said.salt, said.verifier, said.version) == (3, None, None, 2)
    await fleet.http.delete("/api/v1/chargers/C-1")
    await fleet.hear(topics.OCPP_CREDENTIAL_CHANGES, [accepted(3)])
    assert (await fleet.http.get("/api/v1/fleet/chargers/C-1")).status_code == 404


async def test_a_charger_moves_between_profiles_with_and_without_a_password(fleet: Any) -> None:
    await fleet.register("C-1")
    moved = await fleet.register("C-1", security_profile=2, password=None)
    assert moved.json()["security_profile"] == 2
    assert (await last(fleet)).verifier is not None
    await fleet.register("C-1", security_profile=3, password=None)
    assert (await last(fleet)).verifier is None
    back = await fleet.register("C-1", security_profile=2, password=None)
    assert back.status_code == 422
    assert "needs a password" in back.json()["detail"]


async def test_chargers_with_certificates_are_imported_without_a_password(fleet: Any) -> None:
    rows = [
        {"charger_id": name, "group_id": "harbour", "model": "Terra AC", "label": name, "security_profile": 3}
        for name in ("C-1", "C-2")
    ]
    rows[1]["password"] = "a-password-of-a-charger"
    results = (await fleet.http.post("/api/v1/chargers:import", json={"chargers": rows})).json()["results"]
    assert [result["status"] for result in results] == ["created", "refused"]
    assert "has no password" in results[1]["detail"]
    assert (await fleet.said(topics.FLEET_CREDENTIALS))[0].security_profile == 3
    refused = await fleet.http.post("/api/v1/chargers/C-1/credentials")
    assert refused.status_code == 409
