"""Signing in over HTTP, and what a token opens."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from chassis.app import CannotStartError

PASSWORD = "the operator's own"


async def test_the_operator_signs_in_and_the_token_opens_the_operators_calls(auth: Any) -> None:
    answer = await auth.sign_in("operator", PASSWORD)

    assert answer.status_code == 200
    said = answer.json()
    assert (said["user_id"], said["name"], said["token_type"]) == ("operator", "Platform operator", "Bearer")
    listed = await auth.http.get("/api/v1/users", headers={"authorization": f"Bearer {said['access_token']}"})
    assert [user["user_id"] for user in listed.json()["items"]] == ["operator"]


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(auth: Any) -> None:
    wrong = await auth.sign_in("operator", "another password")
    unknown = await auth.sign_in("nobody", "another password")

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["", "a name with spaces", "x" * 200, "umlaut-ä", "'; drop table users; --"])
async def test_a_name_that_nobody_can_have_is_just_wrong(auth: Any, name: str) -> None:
    assert (await auth.sign_in(name, "another password")).status_code == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"username": "operator"}, "body.password"),
        ({"username": "operator", "password": "x" * 257}, "body.password"),
        ({"username": "oper\u0000ator", "password": "whatever"}, "body.username"),
        ({"username": 7, "password": "whatever"}, "body.username"),
    ],
)
async def test_a_malformed_login_names_the_field_and_repeats_no_password(auth: Any, body: Any, field: str) -> None:
    answer = await auth.http.post("/api/v1/login", json=body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert "x" * 257 not in answer.text


async def test_a_name_that_was_tried_too_often_waits_even_with_the_right_password(start_auth: Any) -> None:
    auth = await start_auth(login_tries_per_minute=2)
    for _ in range(2):
        assert (await auth.sign_in("operator", "another password")).status_code == 401

    refused = await auth.sign_in("operator", PASSWORD)

    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) <= 61
    assert (await auth.sign_in("someone-else", "another password")).status_code == 401
    auth.clock.advance(timedelta(minutes=1))
    assert (await auth.sign_in("operator", PASSWORD)).status_code == 200


async def test_a_token_ends_after_its_lifetime(start_auth: Any) -> None:
    auth = await start_auth(token_lifetime_s=600)
    await auth.as_operator()
    assert (await auth.http.get("/api/v1/users")).status_code == 200

    auth.clock.advance(timedelta(seconds=601))

    refused = await auth.http.get("/api/v1/users")
    assert refused.status_code == 401
    assert "expired" in refused.json()["detail"]


async def test_a_user_who_is_no_operator_is_told_so(operator: Any) -> None:
    await operator.http.post("/api/v1/users", json={"user_id": "ada", "name": "Ada", "password": "ada's password"})
    token = (await operator.sign_in("ada", "ada's password")).json()["access_token"]

    refused = await operator.http.get("/api/v1/users", headers={"authorization": f"Bearer {token}"})

    assert refused.status_code == 403
    assert refused.json()["detail"] == "Only operators of this system may do this"


async def test_without_an_operator_password_there_is_no_operator(start_auth: Any) -> None:
    auth = await start_auth(operator_password=None)

    assert (await auth.sign_in("operator", PASSWORD)).status_code == 401


async def test_a_new_operator_password_takes_the_place_of_the_old(start_auth: Any) -> None:
    auth = await start_auth()
    url = auth.service.database.dsn

    again = await start_auth(url, operator_password="another of the operator")

    assert (await again.sign_in("operator", PASSWORD)).status_code == 401
    assert (await again.sign_in("operator", "another of the operator")).status_code == 200


async def test_a_former_operator_can_no_longer_sign_in(start_auth: Any) -> None:
    auth = await start_auth()
    url = auth.service.database.dsn

    renamed = await start_auth(url, operator_username="chief")

    assert (await renamed.sign_in("operator", PASSWORD)).status_code == 401
    assert (await renamed.sign_in("chief", PASSWORD)).status_code == 200
    back = await start_auth(url)
    assert (await back.sign_in("operator", PASSWORD)).status_code == 200


async def test_the_operator_does_not_take_over_another_users_name(start_auth: Any) -> None:
    auth = await start_auth()
    await auth.as_operator()
    await auth.http.post("/api/v1/users", json={"user_id": "ada", "name": "Ada", "password": "ada's password"})

    with pytest.raises(CannotStartError, match="'ada' is the name of another user"):
        await start_auth(auth.service.database.dsn, operator_username="ada")


async def test_passwords_are_kept_as_argon2id_only(operator: Any) -> None:
    await operator.http.post("/api/v1/users", json={"user_id": "ada", "name": "Ada", "password": "ada's password"})

    async with operator.service.database.begin() as session:
        kept = (await session.execute(text("select password_hash from users"))).scalars().all()

    assert len(kept) == 2
    assert all(value.startswith("$argon2id$") for value in kept)


async def test_the_language_that_somebody_chose_is_told_when_they_sign_in(auth: Any) -> None:
    await auth.as_operator()
    assert (await auth.sign_in("operator", PASSWORD)).json()["language"] is None

    for language in ("es", "pt-BR", None):
        assert (await auth.http.put("/api/v1/me/language", json={"language": language})).status_code == 204
        assert (await auth.sign_in("operator", PASSWORD)).json()["language"] == language


@pytest.mark.parametrize("wrong", [{}, {"language": ""}, {"language": "e"}, {"language": "es_ES"}])
async def test_what_is_no_language_is_not_kept(auth: Any, wrong: dict[str, str]) -> None:
    await auth.as_operator()
    assert (await auth.http.put("/api/v1/me/language", json=wrong)).status_code == 422


async def test_nobody_chooses_a_language_without_signing_in(auth: Any) -> None:
    assert (await auth.http.put("/api/v1/me/language", json={"language": "es"})).status_code == 401
