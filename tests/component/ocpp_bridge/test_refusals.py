"""Who is not let in is told to operators, seldom, and keeps nobody else out."""

from datetime import UTC, datetime
from uuid import uuid4

import aiohttp
import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from prometheus_client import CollectorRegistry

from chassis.health import Health
from chassis.http import create_http
from chassis.testing import eventually
from chassis.tokens import KeyRing
from contracts import topics
from contracts.ocpp import ConnectionRefused
from ocpp_bridge import refusals_api
from ocpp_bridge.refusals import Refusals, Refused

RIGHT = b"0123456789abcdef0123"
KEY = ECKey.generate_key("P-256", {"kid": "test"})


def asking(bridge, *, operator: bool) -> httpx2.AsyncClient:
    keyring = KeyRing()
    keyring.add("test", "ES256", {name: str(value) for name, value in KEY.as_dict(private=False).items()})
    app = create_http("test", health=Health(), registry=CollectorRegistry(), keyring=keyring)
    app.state.refusals = bridge.trust.refusals
    app.include_router(refusals_api.router)
    now = int(datetime.now(UTC).timestamp())
    claims = {"sub": "alex", "name": "Alex", "operator": operator, "iss": "comeback", "aud": "comeback"}
    token = jwt.encode(
        {"alg": "ES256", "kid": "test"}, claims | {"iat": now, "exp": now + 600, "jti": uuid4().hex}, KEY
    )
    headers = {"authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://bridge", headers=headers)


async def knock(site, bridge, charger_id="garage-1", *, password: bytes | None = b"wrong") -> int:
    try:
        async with site.connected(bridge, charger_id, password=password):
            return 101
    except aiohttp.WSServerHandshakeError as refused:
        return refused.status


@pytest.mark.parametrize(("password", "why"), [(b"wrong", "wrong_password"), (None, "no_password")])
async def test_a_refusal_is_told_and_counted(site, password, why):
    bridge = await site.start()
    site.enroll("garage-1")
    assert await knock(site, bridge, password=password) == 401
    [told] = await site.published(ConnectionRefused)
    assert (told.charger_id, told.why, told.address, told.count) == ("garage-1", why, "127.0.0.1", 1)
    assert site.metric(bridge, "connections_refused_total", why=why) == 1


async def test_who_is_unknown_is_not_told_of(site):
    bridge = await site.start()
    assert await knock(site, bridge, "stranger") == 404
    site.enroll("garage-1")
    await knock(site, bridge)
    assert [told.charger_id for told in await site.published(ConnectionRefused)] == ["garage-1"]


async def test_many_refusals_are_one_message_now_and_one_in_a_while(site):
    bridge = await site.start(wrong_credentials=100)
    bridge.trust.refusals._every = 3.0  # time enough for all of them
    site.enroll("garage-1")
    for _ in range(12):
        await knock(site, bridge)
    told = await site.published(ConnectionRefused, 2)
    assert [each.count for each in told] == [1, 11]
    assert told[1].last_at > told[0].last_at


async def test_too_many_are_told_as_such(site):
    bridge = await site.start(wrong_credentials=2, wrong_credentials_every_s=60)
    site.enroll("garage-1")
    assert [await knock(site, bridge) for _ in range(4)] == [401, 401, 429, 429]
    assert [told.why for told in await site.published(ConnectionRefused, 2)] == ["wrong_password", "too_many"]


async def test_what_was_counted_is_told_when_the_bridge_stops(site):
    bridge = await site.start()
    site.enroll("garage-1")
    for _ in range(3):
        await knock(site, bridge)
    await site.stop(bridge)
    assert [told.count for told in site.publisher.of(ConnectionRefused)] == [1, 2]


async def test_what_kafka_did_not_take_is_counted_on(site):
    bridge = await site.start()
    bridge.trust.refusals._every = 0.2
    site.enroll("garage-1")
    site.publisher.failing.add(topics.OCPP_OBSERVATIONS.name)
    await knock(site, bridge)
    site.publisher.failing.clear()
    await site.published(ConnectionRefused)

    def all_told():
        assert sum(told.count for told in site.publisher.of(ConnectionRefused)) == 1

    await eventually(all_told)


async def test_strangers_behind_the_same_address_do_not_keep_a_good_charger_out(site):
    bridge = await site.start(wrong_credentials=2, wrong_credentials_every_s=600)
    site.enroll("garage-1")
    for number in range(30):
        site.enroll(f"other-{number}")
        await knock(site, bridge, f"other-{number}")
    assert await knock(site, bridge, "other-29") == 429, "the address is over its limit"
    assert await knock(site, bridge, "garage-1", password=RIGHT) == 101


async def test_a_stranger_who_fails_in_a_chargers_name_all_the_time_does_not_keep_it_out_at_the_same_address(site):
    bridge = await site.start(wrong_credentials=2, wrong_credentials_every_s=600)
    site.enroll("garage-1")
    for password in (RIGHT, *[b"wrong"] * 20, RIGHT, b"wrong", RIGHT):
        status = await knock(site, bridge, password=password)
        assert status == 101 if password is RIGHT else status in {401, 429}
    assert [told.why for told in await site.published(ConnectionRefused, 2)] == ["wrong_password", "too_many"]


async def test_the_messages_of_many_attackers_are_bounded(site):
    class Counting:
        told = 0

        async def refusal(self, _event) -> None:
            self.told += 1

    bridge = await site.start()
    counting = Counting()
    refusals = Refusals(counting, site.clock, bridge.trust.refusals._metrics)
    for number in range(3000):
        refusals.note(Refused("wrong_password", f"address {number}", "garage-1"))
    assert len(refusals._windows) == 2000
    await refusals.stop()
    assert counting.told <= 2000


async def test_operators_read_who_was_refused_lately_and_nobody_else_does(site):
    bridge = await site.start()
    for charger_id in ("garage-1", "garage-2"):
        site.enroll(charger_id)
        await knock(site, bridge, charger_id)
    async with asking(bridge, operator=True) as http:
        found = (await http.get("/api/v1/refusals")).json()["items"]
        assert [(each["charger_id"], each["why"]) for each in found] == [
            ("garage-2", "wrong_password"),
            ("garage-1", "wrong_password"),
        ]
        one = (await http.get("/api/v1/refusals", params={"charger_id": "garage-1"})).json()["items"]
        assert [each["charger_id"] for each in one] == ["garage-1"]
    async with asking(bridge, operator=False) as http:
        assert (await http.get("/api/v1/refusals")).status_code == 403
