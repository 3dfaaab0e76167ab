"""Who is let in, with which words the others are sent away, and which language is spoken."""

import base64

import aiohttp
import pytest
from structlog.testing import capture_logs

from contracts.ocpp import ChargerConnected, ChargerDisconnected

PASSWORD = b"0123456789abcdef0123"


async def refused(site, bridge, charger_id="garage-1", *protocols, **options) -> aiohttp.WSServerHandshakeError:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with site.connected(bridge, charger_id, *protocols, **options):
            pass
    return caught.value


async def test_a_known_charger_with_its_password_is_let_in_and_told_of(site):
    bridge = await site.start()
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", "ocpp1.6") as charger:
        assert charger.ws.protocol == "ocpp1.6"
        [connected] = await site.published(ChargerConnected)
        assert (connected.charger_id, connected.epoch, connected.protocol) == ("garage-1", 1, "ocpp1.6")
        assert connected.bridge == bridge.instance
    [ended] = await site.published(ChargerDisconnected)
    assert (ended.epoch, ended.why) == (1, "closed")


async def test_an_unknown_identity_gets_404_before_the_upgrade(site):
    bridge = await site.start()
    assert (await refused(site, bridge, "stranger")).status == 404
    assert site.metric(bridge, "handshakes_total", answer="404") == 1


async def test_what_is_no_identity_gets_404(site):
    bridge = await site.start()
    assert (await refused(site, bridge, "with%3Acolon")).status == 404
    assert (await refused(site, bridge, "x" * 49)).status == 404


@pytest.mark.parametrize("password", [b"wrong", None])
async def test_a_wrong_or_missing_password_gets_401(site, password):
    bridge = await site.start()
    site.enroll("garage-1")
    error = await refused(site, bridge, password=password)
    assert error.status == 401
    assert error.headers["WWW-Authenticate"].startswith("Basic")
    assert site.metric(bridge, "handshakes_total", answer="401") == 1


async def test_another_user_name_than_the_identity_gets_401(site):
    bridge = await site.start()
    site.enroll("garage-1")
    assert (await refused(site, bridge, username="garage-2")).status == 401


async def test_too_many_wrong_passwords_get_429_with_a_time_to_wait(site):
    bridge = await site.start(wrong_credentials=2, wrong_credentials_every_s=60)
    site.enroll("garage-1")
    site.enroll("garage-2")
    assert [(await refused(site, bridge, password=b"wrong")).status for _ in range(2)] == [401, 401]
    error = await refused(site, bridge, password=b"wrong")
    assert error.status == 429
    assert int(error.headers["Retry-After"]) > 0
    for charger_id in ("garage-1", "garage-2"):
        async with site.connected(bridge, charger_id):
            pass  # neither the charger nor another one behind the same address is locked out


async def test_nobody_is_let_in_before_the_credentials_are_read(site):
    bridge = await site.start(has_credentials=False)
    error = await refused(site, bridge)
    assert error.status == 503
    assert int(error.headers["Retry-After"]) > 0


async def test_a_charger_without_a_security_profile_needs_no_password(site):
    bridge = await site.start()
    site.enroll("garage-1", profile=0)
    async with site.connected(bridge, "garage-1", password=None) as charger:
        assert (await charger.boot())["status"] == "Accepted"


async def test_the_bytes_that_a_hexadecimal_key_stands_for_are_that_key(site):
    bridge = await site.start()
    site.enroll("garage-1", password=b"AB12" * 10)
    async with site.connected(bridge, "garage-1", password=bytes.fromhex("AB12" * 10)):
        pass


async def test_the_clients_order_decides_on_the_language(site):
    bridge = await site.start()
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", "ocpp9.9", "ocpp2.0.1", "ocpp1.6") as charger:
        assert charger.ws.protocol == "ocpp2.0.1"
    async with site.connected(bridge, "garage-1", "ocpp1.6", "ocpp2.1") as charger:
        assert charger.ws.protocol == "ocpp1.6"


async def test_without_a_common_language_the_handshake_is_finished_and_the_socket_closed(site):
    bridge = await site.start()
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", "ocpp1.5", "mqtt") as charger:
        assert charger.ws.protocol is None
        assert await charger.closed() == 1002
    assert site.publisher.of(ChargerConnected) == []


async def test_compression_is_on_for_2x_when_offered_and_off_for_1_6(site):
    bridge = await site.start()
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", "ocpp2.0.1", compress=15) as charger:
        assert charger.ws.compress
        assert (await charger.boot())["status"] == "Accepted"
    async with site.connected(bridge, "garage-1", "ocpp1.6", compress=15) as charger:
        assert not charger.ws.compress
    async with site.connected(bridge, "garage-1", "ocpp2.1") as charger:
        assert not charger.ws.compress


async def test_a_plain_request_gets_400_and_no_session(site):
    bridge = await site.start()
    site.enroll("garage-1", profile=0)
    url = f"http://127.0.0.1:{bridge.listener.port}/ocpp/garage-1"
    async with site.client.get(url, headers={"Sec-WebSocket-Protocol": "ocpp1.6"}) as response:
        assert response.status == 400
    async with site.connected(bridge, "garage-1", password=None):
        [connected] = await site.published(ChargerConnected)
        assert connected.epoch == 1


async def test_a_revoked_charger_is_sent_away_and_not_let_in_again(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        site.revoke("garage-1")
        assert await charger.closed() == 1008
    [ended] = await site.published(ChargerDisconnected)
    assert ended.why == "refused"
    assert (await refused(site, bridge)).status == 404


async def test_no_password_reaches_the_log(site):
    bridge = await site.start()
    site.enroll("garage-1")
    with capture_logs() as logs:
        await refused(site, bridge, password=b"a-secret-word-that-is-wrong")
        async with site.booted(bridge, "garage-1"):
            pass
    assert any(line["event"] == "a charger was not let in" for line in logs)
    for secret in ("a-secret-word", PASSWORD.decode(), base64.b64encode(b"garage-1:" + PASSWORD).decode()):
        assert secret not in str(logs)
