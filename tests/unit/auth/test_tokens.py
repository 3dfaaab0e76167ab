"""Tokens that auth issues are those that everyone's key ring accepts."""

from datetime import timedelta

import pytest
from joserfc.jwk import ECKey

from auth.signing_keys import SigningKey
from auth.tokens import AccessToken, issue
from chassis.testing import FakeClock
from chassis.tokens import InvalidToken, KeyRing, Person

KEY = SigningKey("first", ECKey.generate_key("P-256"))


def token(clock: FakeClock, key: SigningKey = KEY) -> AccessToken:
    return issue(key, user_id="ada", name="Ada", operator=True, now=clock.now(), lifetime=timedelta(hours=1))


def ring(clock: FakeClock) -> KeyRing:
    keys = KeyRing(clock)
    keys.add(KEY.kid, "ES256", {name: str(value) for name, value in KEY.key.as_dict(private=False).items()})
    return keys


def test_a_token_says_who_its_bearer_is() -> None:
    clock = FakeClock()
    issued = token(clock)

    assert ring(clock).verify(issued.text) == Person("ada", "Ada", operator=True, expires_at=issued.expires_at)
    assert issued.expires_at == clock.now() + timedelta(hours=1)


def test_a_token_ends() -> None:
    clock = FakeClock()
    issued = token(clock)
    clock.advance(timedelta(hours=1, seconds=1))

    with pytest.raises(InvalidToken, match="expired"):
        ring(clock).verify(issued.text)


def test_a_token_of_another_key_under_the_same_id_is_refused() -> None:
    clock = FakeClock()
    stolen_name = SigningKey(KEY.kid, ECKey.generate_key("P-256"))

    with pytest.raises(InvalidToken):
        ring(clock).verify(token(clock, stolen_name).text)


def test_neither_key_nor_token_shows_in_a_log_line() -> None:
    issued = token(FakeClock())

    assert issued.text not in repr(issued)
    assert str(KEY.key.as_dict(private=True)["d"]) not in repr(KEY)
