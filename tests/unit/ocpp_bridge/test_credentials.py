"""Who may in: verifiers checked in constant time, failures limited by identity and address."""

import base64
import hmac
from uuid import uuid4

import pytest

from chassis.testing import FakeClock
from contracts.envelope import Envelope
from contracts.fleet import CredentialRevoked, CredentialSet
from ocpp_bridge.approach import Approach, ClientCertificate
from ocpp_bridge.credentials import Checked, Credentials, Verdict, parse_basic
from ocpp_bridge.failures import Failures

SALT = b"salt"
AT = 1_000.0
CERTIFICATE = ClientCertificate("garage-1", "Operator", AT + 1)


class NoChanges:
    """No new password is under way."""

    def of(self, _charger_id):
        return ()

    def proven(self, charger_id, call_id) -> None:
        raise AssertionError(f"{charger_id} has no change {call_id}")


def credentials(profile=1, password=b"right password ok", revoked=None, organization="") -> Credentials:
    made = Credentials(
        failures=Failures(wrong=3, wrong_every_s=10),
        changes=NoChanges(),
        on_revoked=(revoked if revoked is not None else []).append,
        organization=organization,
    )
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


def check(made, charger_id, authorization, address, now, *, secure=False, certificate=None) -> Checked:
    return made.check(charger_id, Approach(authorization, address, secure, certificate), now, at=AT)


def basic(user: bytes, password: bytes) -> str:
    return "Basic " + base64.b64encode(user + b":" + password).decode()


RIGHT = basic(b"garage-1", b"right password ok")
WRONG = basic(b"garage-1", b"wrong")


def test_the_right_password_is_welcome_and_any_other_is_not():
    made = credentials()
    assert check(made, "garage-1", RIGHT, "a", 0).verdict is Verdict.WELCOME
    assert check(made, "garage-1", WRONG, "a", 0).verdict is Verdict.WRONG
    assert check(made, "garage-1", basic(b"garage-2", b"right password ok"), "a", 0).verdict is Verdict.WRONG
    assert check(made, "garage-1", None, "a", 0).verdict is Verdict.WRONG
    assert check(made, "garage-2", RIGHT, "a", 0).verdict is Verdict.UNKNOWN


def test_a_password_may_hold_colons_and_any_bytes():
    made = credentials(password=b"a:b:\xff\x00")
    assert check(made, "garage-1", basic(b"garage-1", b"a:b:\xff\x00"), "a", 0).verdict is Verdict.WELCOME


def test_failures_are_limited_for_one_identity_from_one_address_and_forgotten_with_time():
    made = credentials()
    assert check(made, "garage-1", RIGHT, "b", 0).verdict is Verdict.WELCOME
    verdicts = [check(made, "garage-1", WRONG, "a", 0).verdict for _ in range(4)]
    assert verdicts == [Verdict.WRONG] * 3 + [Verdict.TOO_MANY]
    # Guessing is over: not even the right password is looked at, where the charger has never been.
    limited = check(made, "garage-1", RIGHT, "a", 0)
    assert (limited.verdict, limited.retry_after) == (Verdict.TOO_MANY, 10)
    # A stranger elsewhere can't lock the charger out.
    assert check(made, "garage-1", RIGHT, "b", 0).verdict is Verdict.WELCOME
    assert check(made, "garage-1", RIGHT, "a", 10.5).verdict is Verdict.WELCOME


def test_a_stranger_at_its_own_address_can_not_keep_a_charger_out_by_failing_in_its_name():
    made = credentials()
    assert check(made, "garage-1", RIGHT, "balancer", 0).verdict is Verdict.WELCOME
    for now in range(1000):
        for _ in range(10):
            assert check(made, "garage-1", WRONG, "balancer", now).verdict is not Verdict.WELCOME
        assert check(made, "garage-1", RIGHT, "balancer", now).verdict is Verdict.WELCOME


def test_nor_one_that_was_nowhere_yet_since_the_start():
    made = credentials()
    for _ in range(10):
        check(made, "garage-1", WRONG, "balancer", 0)
    assert check(made, "garage-1", WRONG, "balancer", 0).verdict is Verdict.TOO_MANY
    assert check(made, "garage-1", RIGHT, "balancer", 0).verdict is Verdict.WELCOME


def test_where_a_charger_was_before_its_last_address_it_may_be_guessed_at_no_longer():
    made = credentials()
    assert check(made, "garage-1", RIGHT, "old", 0).verdict is Verdict.WELCOME
    assert check(made, "garage-1", RIGHT, "new", 0).verdict is Verdict.WELCOME
    for _ in range(4):
        check(made, "garage-1", WRONG, "old", 0)
    assert check(made, "garage-1", RIGHT, "old", 0).verdict is Verdict.TOO_MANY


def test_a_right_certificate_passes_whoever_failed_in_its_name():
    made = credentials(profile=3)
    assert check(made, "garage-1", None, "home", 0, secure=True, certificate=CERTIFICATE).verdict is Verdict.WELCOME
    for _ in range(10):
        check(made, "garage-1", None, "a", 0, secure=True)
    assert check(made, "garage-1", None, "a", 0, secure=True, certificate=CERTIFICATE).verdict is Verdict.WELCOME


def test_failures_of_one_address_are_limited_over_all_identities():
    made = credentials()
    for number in range(40):
        put(made, CredentialSet(charger_id=f"c{number}", security_profile=1, salt="00", verifier="00", version=1))
    verdicts = [check(made, f"c{number}", WRONG, "a", 0).verdict for number in range(40)]
    assert verdicts.count(Verdict.WRONG) == 30
    assert verdicts[-1] is Verdict.TOO_MANY


def test_a_revoked_charger_is_unknown_and_told_of():
    revoked: list[str] = []
    made = credentials(revoked=revoked)
    put(made, CredentialRevoked(charger_id="garage-1"))
    assert check(made, "garage-1", RIGHT, "a", 0).verdict is Verdict.UNKNOWN
    assert revoked == ["garage-1"]


def test_a_right_password_passes_whatever_strangers_do_behind_the_same_address():
    made = credentials()
    for number in range(40):
        put(made, CredentialSet(charger_id=f"c{number}", security_profile=1, salt="00", verifier="00", version=1))
        check(made, f"c{number}", WRONG, "balancer", 0)
    assert check(made, "c0", WRONG, "balancer", 0).verdict is Verdict.TOO_MANY
    assert check(made, "garage-1", RIGHT, "balancer", 0).verdict is Verdict.WELCOME


def test_an_address_over_its_limit_can_not_go_on_guessing_at_one_charger():
    made = credentials()
    for number in range(40):
        put(made, CredentialSet(charger_id=f"c{number}", security_profile=1, salt="00", verifier="00", version=1))
        check(made, f"c{number}", WRONG, "balancer", 0)
    assert check(made, "garage-1", RIGHT, "elsewhere", 0).verdict is Verdict.WELCOME
    for _ in range(3):
        assert check(made, "garage-1", WRONG, "balancer", 0).verdict is Verdict.TOO_MANY
    assert check(made, "garage-1", RIGHT, "balancer", 0).verdict is Verdict.TOO_MANY
    assert check(made, "garage-1", RIGHT, "elsewhere", 0).verdict is Verdict.WELCOME


def test_what_is_wrong_is_named():
    made = credentials()
    assert check(made, "garage-1", WRONG, "a", 0).fault == "wrong_password"
    assert check(made, "garage-1", None, "a", 0).fault == "no_password"
    assert check(made, "garage-1", RIGHT, "b", 0, secure=True).fault == "wrong_profile"
    assert [check(made, "garage-1", WRONG, "c", 0).fault for _ in range(4)][-1] == "too_many"


def test_profile_0_does_not_look_at_a_password():
    assert check(credentials(profile=0), "garage-1", None, "a", 0).verdict is Verdict.WELCOME


@pytest.mark.parametrize(("profile", "secure"), [(0, True), (1, True), (2, False), (3, False)])
def test_a_charger_that_comes_on_the_transport_of_another_profile_is_forbidden(profile, secure):
    made = credentials(profile=profile)
    checked = check(made, "garage-1", RIGHT, "a", 0, secure=secure, certificate=CERTIFICATE if secure else None)
    assert (checked.verdict, checked.fault) == (Verdict.FORBIDDEN, "wrong_profile")


def test_profile_2_takes_the_password_over_tls():
    made = credentials(profile=2)
    assert check(made, "garage-1", RIGHT, "a", 0, secure=True).verdict is Verdict.WELCOME
    assert check(made, "garage-1", WRONG, "a", 0, secure=True).verdict is Verdict.WRONG


def test_profile_3_takes_the_certificate_that_names_the_charger_and_no_password():
    made = credentials(profile=3)
    assert check(made, "garage-1", None, "a", 0, secure=True, certificate=CERTIFICATE).verdict is Verdict.WELCOME
    assert check(made, "garage-1", RIGHT, "a", 0, secure=True).fault == "wrong_certificate"


@pytest.mark.parametrize(
    ("shown", "cause"),
    [
        (ClientCertificate("garage-2", "Operator", AT + 1), "other_name"),
        (ClientCertificate(None, "Operator", AT + 1), "other_name"),
        (ClientCertificate("garage-1", "Another", AT + 1), "other_organization"),
        (ClientCertificate("garage-1", "Operator", AT), "expired"),
        (None, "missing"),
    ],
)
def test_a_certificate_of_another_name_or_organization_or_time_is_forbidden(shown, cause):
    made = credentials(profile=3, organization="Operator")
    checked = check(made, "garage-1", None, "a", 0, secure=True, certificate=shown)
    assert (checked.verdict, checked.fault, checked.cause) == (Verdict.FORBIDDEN, "wrong_certificate", cause)


@pytest.mark.parametrize(
    "header", [None, "", "Basic", "Basic %%%", "Bearer abc", "Basic " + base64.b64encode(b"x").decode()]
)
def test_what_is_no_basic_header_is_none(header):
    assert parse_basic(header) is None
