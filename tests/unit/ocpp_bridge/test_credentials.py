"""Who may in: verifiers checked in constant time, failures limited by identity and address."""

import base64
import hmac
from uuid import uuid4

import pytest

from chassis.testing import FakeClock
from contracts.envelope import Envelope
from contracts.fleet import CredentialRevoked, CredentialSet
from ocpp_bridge.credentials import Credentials, Verdict, parse_basic

SALT = b"salt"


def credentials(profile=1, password=b"right password ok", revoked=None) -> Credentials:
    made = Credentials(wrong=3, wrong_every_s=10, on_revoked=(revoked if revoked is not None else []).append)
    put(
        made,
        CredentialSet(
            charger_id="garage-1",
            security_profile=profile,
            salt=SALT.hex(),
            verifier=hmac.digest(SALT, password, "sha256").hex(),
            version=1,
        ),
    )
    return made


def put(made, message) -> None:
    made.apply(Envelope(uuid4(), "/services/fleet", FakeClock().now(), message))


def basic(user: bytes, password: bytes) -> str:
    return "Basic " + base64.b64encode(user + b":" + password).decode()


RIGHT = basic(b"garage-1", b"right password ok")
WRONG = basic(b"garage-1", b"wrong")


def test_the_right_password_is_welcome_and_any_other_is_not():
    made = credentials()
    assert made.check("garage-1", RIGHT, "a", 0).verdict is Verdict.WELCOME
    assert made.check("garage-1", WRONG, "a", 0).verdict is Verdict.WRONG
    assert made.check("garage-1", basic(b"garage-2", b"right password ok"), "a", 0).verdict is Verdict.WRONG
    assert made.check("garage-1", None, "a", 0).verdict is Verdict.WRONG
    assert made.check("garage-2", RIGHT, "a", 0).verdict is Verdict.UNKNOWN


def test_a_password_may_hold_colons_and_any_bytes():
    made = credentials(password=b"a:b:\xff\x00")
    assert made.check("garage-1", basic(b"garage-1", b"a:b:\xff\x00"), "a", 0).verdict is Verdict.WELCOME


def test_failures_are_limited_for_one_identity_from_one_address_and_forgotten_with_time():
    made = credentials()
    verdicts = [made.check("garage-1", WRONG, "a", 0).verdict for _ in range(4)]
    assert verdicts == [Verdict.WRONG] * 3 + [Verdict.TOO_MANY]
    limited = made.check("garage-1", RIGHT, "a", 0)
    assert (limited.verdict, limited.retry_after) == (Verdict.TOO_MANY, 10)
    # A stranger elsewhere can't lock the charger out.
    assert made.check("garage-1", RIGHT, "b", 0).verdict is Verdict.WELCOME
    assert made.check("garage-1", RIGHT, "a", 10.5).verdict is Verdict.WELCOME


def test_failures_of_one_address_are_limited_over_all_identities():
    made = credentials()
    for number in range(40):
        put(made, CredentialSet(charger_id=f"c{number}", security_profile=1, salt="00", verifier="00", version=1))
    verdicts = [made.check(f"c{number}", WRONG, "a", 0).verdict for number in range(40)]
    assert verdicts.count(Verdict.WRONG) == 30
    assert verdicts[-1] is Verdict.TOO_MANY


def test_a_revoked_charger_is_unknown_and_told_of():
    revoked: list[str] = []
    made = credentials(revoked=revoked)
    put(made, CredentialRevoked(charger_id="garage-1"))
    assert made.check("garage-1", RIGHT, "a", 0).verdict is Verdict.UNKNOWN
    assert revoked == ["garage-1"]


def test_profiles_0_and_3_do_not_look_at_a_password():
    assert credentials(profile=0).check("garage-1", None, "a", 0).verdict is Verdict.WELCOME
    assert credentials(profile=3).check("garage-1", RIGHT, "a", 0).verdict is Verdict.WRONG


@pytest.mark.parametrize(
    "header", [None, "", "Basic", "Basic %%%", "Bearer abc", "Basic " + base64.b64encode(b"x").decode()]
)
def test_what_is_no_basic_header_is_none(header):
    assert parse_basic(header) is None
