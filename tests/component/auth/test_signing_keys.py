"""Signing keys: made, published, encrypted at rest, rotated and retired."""

import base64
import json
import traceback
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from auth.app import signing_keys
from auth.rotate_command import rotate
from auth.signing_keys import LEEWAY, TIMER
from chassis import migrations
from chassis.app import CannotStartError
from chassis.testing.outbox import outbox_messages
from chassis.timers import Timer
from chassis.tokens import KeyRing
from contracts import topics
from contracts.auth import SigningKeyPublished, SigningKeyRetired

ENCRYPTION_KEY = base64.b64encode(bytes(range(32))).decode()


async def published(auth: Any) -> list[Any]:
    return [said.data for said in await outbox_messages(auth.service.database, topics.AUTH_SIGNING_KEYS)]


async def kept(auth: Any) -> list[Any]:
    async with auth.service.database.begin() as session:
        return list(await session.execute(text("select * from signing_keys order by signs_from")))


async def armed(auth: Any) -> list[Timer]:
    async with auth.service.database.begin() as session:
        rows = await session.execute(text("select name, key, due, payload from timers order by key"))
        return [Timer(row.name, row.key, row.due, row.payload) for row in rows]


async def rotated(auth: Any) -> None:
    async with auth.service.database.begin() as session:
        await signing_keys(auth.service, auth.service.settings).rotate(session)


async def due(auth: Any, timer: Timer) -> None:
    async with auth.service.database.begin() as session:
        await auth.service.timers._handlers[TIMER](session, timer)


def kid_of(token: str) -> str:
    header = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=="))["kid"])


async def token(auth: Any) -> str:
    return str((await auth.sign_in("operator", "the operator's own")).json()["access_token"])


async def test_the_first_start_makes_a_key_and_publishes_its_public_half_only(auth: Any) -> None:
    (said,) = await published(auth)
    (row,) = await kept(auth)

    assert isinstance(said, SigningKeyPublished)
    assert (said.kid, said.algorithm) == (row.kid, "ES256")
    assert "d" not in said.public_jwk
    assert json.loads(row.private_key)["d"]


async def test_anyone_who_read_the_topic_accepts_the_tokens(auth: Any) -> None:
    ring = KeyRing(auth.clock)
    for said in await outbox_messages(auth.service.database, topics.AUTH_SIGNING_KEYS):
        ring.apply(said)

    assert ring.verify(await token(auth)).user_id == "operator"


async def test_a_second_start_says_the_same_key_again_under_the_same_id(start_auth: Any) -> None:
    auth = await start_auth()
    again = await start_auth(auth.service.database.dsn)

    first, second = await outbox_messages(again.service.database, topics.AUTH_SIGNING_KEYS)
    assert (first.id, first.data) == (second.id, second.data)
    assert len(await kept(again)) == 1


async def test_with_an_encryption_key_the_private_half_is_unreadable_at_rest(start_auth: Any) -> None:
    auth = await start_auth(key_encryption_key=ENCRYPTION_KEY)

    (row,) = await kept(auth)
    assert row.encrypted
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(row.private_key)
    assert (await auth.sign_in("operator", "the operator's own")).status_code == 200


async def test_a_key_that_was_kept_open_is_encrypted_once_there_is_an_encryption_key(start_auth: Any) -> None:
    auth = await start_auth()
    before = await token(auth)

    again = await start_auth(auth.service.database.dsn, key_encryption_key=ENCRYPTION_KEY)

    assert [row.encrypted for row in await kept(again)] == [True]
    assert kid_of(await token(again)) == kid_of(before)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (None, "set AUTH_KEY_ENCRYPTION_KEY"),
        (base64.b64encode(bytes(32)).decode(), "another key than AUTH_KEY_ENCRYPTION_KEY"),
    ],
)
async def test_without_the_right_encryption_key_it_does_not_start_and_says_why(
    start_auth: Any, other: str | None, said: str
) -> None:
    auth = await start_auth(key_encryption_key=ENCRYPTION_KEY)

    with pytest.raises(CannotStartError, match=said):
        await start_auth(auth.service.database.dsn, key_encryption_key=other)


async def test_a_new_key_is_published_before_it_signs(start_auth: Any) -> None:
    auth = await start_auth(signing_key_lead_s=30)
    first = kid_of(await token(auth))

    await rotated(auth)

    assert [said.kid for said in await published(auth)] == [row.kid for row in await kept(auth)]
    auth.clock.advance(29)
    assert kid_of(await token(auth)) == first
    auth.clock.advance(1)
    assert kid_of(await token(auth)) != first


async def test_a_token_of_the_old_key_stays_good_and_the_key_goes_after_the_last_of_them(start_auth: Any) -> None:
    auth = await start_auth(signing_key_lead_s=30, token_lifetime_s=600)
    await rotated(auth)
    auth.clock.advance(29)
    last_of_the_old = await token(auth)
    (timer,) = await armed(auth)
    assert timer.due == auth.clock.now() + timedelta(seconds=1 + 600) + LEEWAY

    auth.clock.advance(599)
    auth.http.headers["authorization"] = f"Bearer {last_of_the_old}"
    assert (await auth.http.get("/api/v1/users")).status_code == 200

    auth.clock.set(timer.due)
    await due(auth, timer)

    assert (await published(auth))[-1] == SigningKeyRetired(kid=kid_of(last_of_the_old))
    assert kid_of(last_of_the_old) not in {row.kid for row in await kept(auth)}


async def test_a_retired_key_opens_nothing_any_more(start_auth: Any) -> None:
    auth = await start_auth(signing_key_lead_s=0)
    old = await token(auth)
    await rotated(auth)
    (timer,) = await armed(auth)

    await due(auth, timer)

    refused = await auth.http.get("/api/v1/users", headers={"authorization": f"Bearer {old}"})
    assert refused.status_code == 401
    assert "not known, or no longer" in refused.json()["detail"]


async def test_the_key_that_signs_is_never_retired(auth: Any) -> None:
    (row,) = await kept(auth)

    await due(auth, Timer(TIMER, row.kid, auth.clock.now(), {}))

    assert len(await kept(auth)) == 1
    assert (await auth.sign_in("operator", "the operator's own")).status_code == 200


async def test_the_command_rotates_beside_the_running_service(
    start_auth: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    auth = await start_auth(signing_key_lead_s=0)
    before = kid_of(await token(auth))

    await rotate(auth.service.settings)

    (new,) = {row.kid for row in await kept(auth)} - {before}
    assert f"Key {new} signs from" in capsys.readouterr().out
    assert [timer.key for timer in await armed(auth)] == [before]


async def test_models_and_migrations_agree(auth: Any) -> None:
    from auth.tables import metadata

    await migrations.check("auth", metadata, migrations.directory_of("auth"), auth.service.database.dsn)


async def test_a_failure_to_store_a_key_does_not_show_it(auth: Any) -> None:
    async with auth.service.database.begin() as session:
        await session.execute(text("alter table signing_keys add constraint closed check (kid = 'none') not valid"))

    with pytest.raises(IntegrityError) as failed:
        await rotated(auth)

    assert '"d":' not in str(failed.value)
    assert '"d":' not in "".join(traceback.format_exception(failed.value))
