"""Chargers' passwords and their verifiers."""

import hashlib
import hmac

import pytest

from fleet.passwords import LONGEST, SHORTEST, Verifier, made_bits, make_password, problem_with


def test_a_made_password_has_at_least_128_random_bits() -> None:
    assert made_bits() >= 128
    assert len({make_password() for _ in range(100)}) == 100


def test_a_made_password_fits_every_ocpp_version() -> None:
    assert 16 <= len(make_password().encode()) <= 20
    assert problem_with(make_password()) is None


def test_a_made_password_has_nothing_that_a_file_or_a_header_splits_at() -> None:
    assert not set(" ,:;\"'\\`<>\t") & set("".join(make_password() for _ in range(200)))


@pytest.mark.parametrize(("length", "fits"), [(15, False), (16, True), (40, True), (41, False)])
def test_a_given_password_has_16_to_40_characters(length: int, fits: bool) -> None:
    problem = problem_with("x" * length)

    assert (problem is None) is fits
    if problem is not None:
        assert f"{SHORTEST} to {LONGEST} characters, this one has {length}" in problem


def test_a_password_with_control_characters_is_refused() -> None:
    assert "printable" in (problem_with("sixteen chars +\n") or "")


def test_a_verifier_is_hmac_sha256_with_the_salt_as_key() -> None:
    verifier = Verifier.of("a-password-of-a-charger")

    expected = hmac.new(bytes.fromhex(verifier.salt), b"a-password-of-a-charger", hashlib.sha256).hexdigest()
    assert verifier.digest == expected
    assert len(bytes.fromhex(verifier.salt)) == 16


def test_a_verifier_accepts_its_password_only() -> None:
    verifier = Verifier.of("a-password-of-a-charger")

    assert verifier.accepts("a-password-of-a-charger")
    assert not verifier.accepts("another-password-of-it")


def test_the_same_password_twice_gives_two_verifiers_that_do_not_show_in_a_log_line() -> None:
    first, second = Verifier.of("a-password-of-a-charger"), Verifier.of("a-password-of-a-charger")

    assert first.digest != second.digest
    assert first.digest not in repr(first)
    assert first.salt not in repr(first)
