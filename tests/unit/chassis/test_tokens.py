"""Which access tokens prove who someone is."""

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from chassis.testing import FakeClock
from chassis.tokens import InvalidToken, KeyRing
from contracts.auth import SigningKeyPublished, SigningKeyRetired
from contracts.envelope import Envelope

CLOCK = FakeClock()
KEY = ECKey.generate_key("P-256")


def published(kid="k1", key=KEY, algorithm="ES256"):
    data = SigningKeyPublished(
        kid=kid, algorithm=algorithm, public_jwk=key.as_dict(private=False), published_at=CLOCK.now()
    )
    return Envelope(id=uuid4(), source="/services/auth", time=CLOCK.now(), data=data)


@pytest.fixture
def ring():
    ring = KeyRing(CLOCK)
    ring.apply(published())
    return ring


def claims(**changes):
    now = int(CLOCK.now().timestamp())
    made = {
        "sub": "ada",
        "name": "The administrator",
        "operator": False,
        "iss": "comeback",
        "aud": "comeback",
        "iat": now,
        "exp": now + 600,
        "jti": "t1",
    }
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def part(content):
    return urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def token(payload=None, *, kid="k1", key=KEY, alg="ES256"):
    return jwt.encode({"alg": alg, "kid": kid}, payload or claims(), key, algorithms=[alg])


def test_a_good_token_names_its_person(ring):
    person = ring.verify(token())
    assert (person.user_id, person.name, person.operator) == ("ada", "The administrator", False)
    assert person.expires_at == CLOCK.now() + timedelta(minutes=10)
    assert ring.verify(token(claims(operator=True))).operator


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"exp": int(CLOCK.now().timestamp())}, "expired"),
        ({"aud": "somebody"}, "aud"),
        ({"iss": "somebody"}, "iss"),
        ({"exp": None}, "exp"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "sub"),
        ({"sub": ""}, "sub"),
        ({"jti": None}, "jti"),
        ({"iat": int(CLOCK.now().timestamp()) + 120}, "future"),
        ({"nbf": int(CLOCK.now().timestamp()) + 120}, "not yet valid"),
        ({"operator": "yes"}, "claims"),
        ({"exp": 10**400}, ""),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(ring, change, says):
    with pytest.raises(InvalidToken) as caught:
        ring.verify(token(claims(**change)))
    assert says in caught.value.reason


def test_a_clock_that_is_a_little_behind_auths_does_not_matter(ring):
    assert ring.verify(token(claims(iat=int(CLOCK.now().timestamp()) + 5)))


def test_an_unknown_key_and_a_retired_key_are_refused(ring):
    with pytest.raises(InvalidToken, match="'k2'"):
        ring.verify(token(kid="k2"))
    ring.apply(Envelope(id=uuid4(), source="/services/auth", time=CLOCK.now(), data=SigningKeyRetired(kid="k1")))
    assert ring.known == frozenset()
    with pytest.raises(InvalidToken, match="'k1'"):
        ring.verify(token())


def test_a_token_that_was_verified_before_ends_with_its_key_and_with_its_time():
    clock = FakeClock()
    ring = KeyRing(clock)
    ring.apply(published())
    token = jwt.encode({"alg": "ES256", "kid": "k1"}, claims(), KEY)
    assert ring.verify(token) == ring.verify(token)
    ring.apply(published(key=ECKey.generate_key("P-256")))
    with pytest.raises(InvalidToken):
        ring.verify(token)
    ring.apply(published())
    assert ring.verify(token).user_id == "ada"
    clock.advance(601)
    with pytest.raises(InvalidToken, match="expired"):
        ring.verify(token)


def test_another_key_under_a_known_id_is_refused(ring):
    with pytest.raises(InvalidToken, match="signature"):
        ring.verify(token(key=ECKey.generate_key("P-256")))


def test_only_es256_is_accepted_not_even_our_public_key_as_a_shared_secret(ring):
    signed = f"{part({'alg': 'HS256', 'kid': 'k1'})}.{part(claims())}"
    code = hmac.digest(KEY.as_pem(private=False), signed.encode(), "sha256")
    with pytest.raises(InvalidToken):
        ring.verify(f"{signed}.{urlsafe_b64encode(code).rstrip(b'=').decode()}")
    with pytest.raises(InvalidToken):
        ring.verify(f"{part({'alg': 'none', 'kid': 'k1'})}.{part(claims())}.")


@pytest.mark.parametrize("rubbish", ["", "x", "a.b.c", "..", "é.é.é", "e30.e30.e30", "eyJhbGciOiJFUzI1NiJ9.e30."])
def test_rubbish_is_refused_in_words(ring, rubbish):
    with pytest.raises(InvalidToken) as caught:
        ring.verify(rubbish)
    assert caught.value.reason.startswith("the token is not accepted")


def test_a_key_of_another_kind_is_left_out():
    ring = KeyRing(CLOCK)
    ring.apply(published("k2", ECKey.generate_key("P-384")))
    ring.apply(published("k3", algorithm="RS256"))
    assert ring.known == frozenset()
