"""Security profiles 2 and 3: certificates, suites, who is let in, and files that change while chargers are connected."""

import asyncio
import shutil
import ssl

import aiohttp
import pytest
from certificates import Door, Files
from structlog.testing import capture_logs

from chassis.testing import eventually
from contracts.ocpp import ConnectionRefused
from ocpp_bridge.listener import CannotListenError

STATIC_RSA = ["AES128-GCM-SHA256", "AES256-GCM-SHA384"]
ECDSA_SUITES = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]


@pytest.fixture
def door(tmp_path) -> Door:
    return Door(tmp_path)


@pytest.fixture
async def bridge(site, door):
    return await site.start(**door.settings())


async def refused(site, bridge, charger_id="garage-1", **options) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with site.connected(bridge, charger_id, **options):
            pass
    return caught.value.status


async def why_refused(site) -> str:
    [told] = await site.published(ConnectionRefused)
    assert (told.charger_id, told.count, told.address) == ("garage-1", 1, "127.0.0.1")
    assert told.named_by == "request"
    return told.why


async def talk(port: int, context: ssl.SSLContext) -> ssl.SSLObject:
    """Opens TLS and returns what was agreed on."""
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    agreed = writer.get_extra_info("ssl_object")
    # A TLS 1.3 server looks at the client's certificate after the client is done: only an answer tells.
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    assert await reader.read(1)
    writer.close()
    return agreed


async def test_profile_2_is_let_in_over_tls_with_its_password(site, bridge, door):
    site.enroll("garage-1", profile=2)
    async with site.connected(bridge, "garage-1", ssl=door.authority.client()) as charger:
        assert (await charger.boot())["status"] == "Accepted"


async def test_profile_2_is_refused_with_a_wrong_password(site, bridge, door):
    site.enroll("garage-1", profile=2)
    assert await refused(site, bridge, ssl=door.authority.client(), password=b"wrong") == 401
    assert await why_refused(site) == "wrong_password"


@pytest.mark.parametrize("profile", [0, 1])
async def test_a_charger_of_a_profile_without_tls_is_refused_over_tls(site, bridge, door, profile):
    site.enroll("garage-1", profile=profile)
    assert await refused(site, bridge, ssl=door.authority.client()) == 403
    assert await why_refused(site) == "wrong_profile"


@pytest.mark.parametrize("profile", [2, 3])
async def test_a_charger_of_a_profile_with_tls_is_refused_without(site, bridge, profile):
    site.enroll("garage-1", profile=profile)
    assert await refused(site, bridge) == 403
    assert await why_refused(site) == "wrong_profile"
    assert site.metric(bridge, "connections_refused_total", why="wrong_profile") == 1


async def test_profile_3_is_let_in_by_its_certificate_alone(site, bridge, door):
    site.enroll("garage-1", profile=3)
    async with site.connected(bridge, "garage-1", ssl=door.charger("garage-1"), password=None) as charger:
        assert (await charger.boot())["status"] == "Accepted"


async def test_profile_3_is_refused_without_a_certificate(site, bridge, door):
    site.enroll("garage-1", profile=3)
    assert await refused(site, bridge, ssl=door.authority.client()) == 403
    assert await why_refused(site) == "wrong_certificate"


@pytest.mark.parametrize(("name", "organization"), [("garage-2", "Operator"), ("garage-1", "Another")])
async def test_profile_3_is_refused_with_the_certificate_of_another_name_or_organization(
    site, bridge, door, name, organization
):
    site.enroll("garage-1", profile=3)
    assert await refused(site, bridge, ssl=door.charger(name, organization), password=None) == 403
    assert await why_refused(site) == "wrong_certificate"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_of_a_strange_authority_or_an_expired_one_ends_the_tls_handshake(
    site, bridge, door, version
):
    site.enroll("garage-1", profile=3)
    strange = door.authority.client(door.stranger.issue("garage-1", organization="Operator", file="strange"))
    expired = door.charger("garage-1", days=-0.5, file="expired")
    for context in (strange, expired):
        context.maximum_version = version
        before = site.metric(bridge, "tls_handshake_failures_total", why="certificate_verify_failed")
        with pytest.raises((aiohttp.ClientError, OSError)):
            async with site.connected(bridge, "garage-1", ssl=context, password=None):
                pass

        def counted(before=before):
            assert site.metric(bridge, "tls_handshake_failures_total", why="certificate_verify_failed") > before

        await eventually(counted)


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_a_boot_whose_serial_number_is_not_the_certificates_name_ends_the_session(site, bridge, door, protocol):
    site.enroll("garage-1", profile=3)
    context = door.charger("garage-1")
    async with site.connected(bridge, "garage-1", protocol, ssl=context, password=None) as charger:
        assert (await charger.call("BootNotification", boot(protocol, "garage-1")))["status"] == "Accepted"
    async with site.connected(bridge, "garage-1", protocol, ssl=context, password=None) as charger:
        await charger.send([2, "b1", "BootNotification", boot(protocol, "garage-2")])
        assert await charger.closed() == 1008
    assert await why_refused(site) == "wrong_serial"


def boot(protocol, serial):
    if protocol == "ocpp1.6":
        return {"chargePointVendor": "Acme", "chargePointModel": "One", "chargePointSerialNumber": serial}
    station = {"vendorName": "Acme", "model": "Two", "serialNumber": serial}
    return {"reason": "PowerUp", "chargingStation": station}


async def test_the_serial_number_of_a_charger_without_a_certificate_is_its_own_affair(site, bridge):
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1") as charger:
        assert (await charger.call("BootNotification", boot("ocpp1.6", "another")))["status"] == "Accepted"


@pytest.mark.parametrize("suite", [*ECDSA_SUITES, *STATIC_RSA])
async def test_each_mandatory_suite_is_agreed_on(bridge, door, suite):
    context = door.authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite)
    agreed = await talk(bridge.listener.tls_port, context)
    assert agreed.cipher()[0] == suite
    assert agreed.version() == "TLSv1.2"


async def test_without_a_choice_forward_secrecy_is_preferred(bridge, door):
    context = door.authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join([*STATIC_RSA, *ECDSA_SUITES]))
    assert (await talk(bridge.listener.tls_port, context)).cipher()[0].startswith("ECDHE-ECDSA")


async def test_static_rsa_is_not_offered_where_it_is_switched_off(site, door):
    bridge = await site.start(**door.settings(tls_static_rsa=False))
    context = door.authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(STATIC_RSA[0])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await talk(bridge.listener.tls_port, context)


async def test_tls_before_1_2_is_not_spoken(bridge, door):
    context = door.authority.client()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await talk(bridge.listener.tls_port, context)


async def test_a_new_certificate_serves_new_handshakes_and_leaves_open_sessions_alone(site, bridge, door):
    site.enroll("garage-1", profile=2)
    before = (await talk(bridge.listener.tls_port, door.authority.client())).getpeercert()
    async with site.connected(bridge, "garage-1", ssl=door.authority.client()) as charger:
        await charger.boot()
        door.authority.issue("localhost", kind="ecdsa")
        bridge.listener.look_at_tls_files()
        after = (await talk(bridge.listener.tls_port, door.authority.client())).getpeercert()
        assert after["serialNumber"] != before["serialNumber"]
        assert "currentTime" in await charger.call("Heartbeat", {})


async def test_files_are_looked_at_now_and_then(site, door):
    bridge = await site.start(**door.settings(tls_look_every_s=0.05))
    before = (await talk(bridge.listener.tls_port, door.authority.client())).getpeercert()
    door.authority.issue("localhost", kind="ecdsa")

    async def is_new():
        after = (await talk(bridge.listener.tls_port, door.authority.client())).getpeercert()
        assert after["serialNumber"] != before["serialNumber"]

    await eventually(is_new)


@pytest.mark.parametrize("broken", ["garbage", "another key", "expired", "gone"])
async def test_files_that_are_no_good_are_refused_in_words_and_the_old_ones_stay(site, bridge, door, broken):
    before = (await talk(bridge.listener.tls_port, door.authority.client())).getpeercert()
    match broken:
        case "garbage":
            door.ecdsa.chain.write_text("no certificate")
        case "another key":
            shutil.copy(door.authority.issue("another").key, door.ecdsa.key)
        case "expired":
            door.authority.issue("localhost", kind="ecdsa", days=-0.5)
        case "gone":
            door.ecdsa.chain.unlink()
    with capture_logs() as logs:
        bridge.listener.look_at_tls_files()
    [line] = [line for line in logs if line["event"] == "the new TLS files are no good: the ones before go on"]
    assert str(door.ecdsa.chain) in line["why"]
    assert site.metric(bridge, "tls_loads_total", outcome="refused") == 1
    after = (await talk(bridge.listener.tls_port, door.authority.client())).getpeercert()
    assert after["serialNumber"] == before["serialNumber"]
    door.authority.issue("localhost", kind="ecdsa")
    bridge.listener.look_at_tls_files()
    assert site.metric(bridge, "tls_loads_total", outcome="used") == 2


async def test_an_authority_that_is_taken_away_lets_nobody_in_any_more(site, bridge, door):
    site.enroll("garage-1", profile=3)
    context = door.charger("garage-1")
    async with site.connected(bridge, "garage-1", ssl=context, password=None):
        pass
    shutil.copy(door.stranger.file, door.authority.file)
    bridge.listener.look_at_tls_files()
    with pytest.raises((aiohttp.ClientError, OSError)):
        async with site.connected(bridge, "garage-1", ssl=context, password=None):
            pass


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tls_certificates": ""}, "OCPP_BRIDGE_TLS_CERTIFICATES is empty"),
        ({"tls_certificates": "/nowhere.pem"}, "/nowhere.pem"),
        ({"tls_client_ca": "/nowhere.pem"}, "/nowhere.pem"),
    ],
)
async def test_a_bridge_whose_tls_files_are_no_good_does_not_start_and_says_why(site, door, settings, words):
    with pytest.raises(CannotListenError, match=words):
        await site.start(**door.settings(**settings))


async def test_two_certificates_of_one_kind_are_refused(site, door):
    twice = Files(door.ecdsa.chain, door.ecdsa.key)
    with pytest.raises(CannotListenError, match="both ECDSA"):
        await site.start(**door.settings(tls_certificates=f"{door.ecdsa},{twice}"))


async def test_tls_that_ends_at_a_trusted_proxy_is_profile_2(site):
    bridge = await site.start(tls_proxies="127.0.0.0/8")
    site.enroll("garage-1", profile=2)
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.9, 203.0.113.7"}
    async with site.connected(bridge, "garage-1", headers=forwarded):
        pass
    assert await refused(site, bridge) == 403


async def test_the_address_behind_a_trusted_proxy_is_the_one_that_is_told(site):
    bridge = await site.start(tls_proxies="127.0.0.1")
    site.enroll("garage-1", profile=2)
    forwarded = {"X-Forwarded-Proto": "wss", "X-Forwarded-For": "198.51.100.9, 203.0.113.7"}
    with pytest.raises(aiohttp.WSServerHandshakeError):
        async with site.connected(bridge, "garage-1", headers=forwarded, password=b"wrong"):
            pass
    [told] = await site.published(ConnectionRefused)
    assert told.address == "203.0.113.7"


async def test_nobody_else_is_believed_to_have_come_over_tls(site):
    bridge = await site.start(tls_proxies="192.0.2.1")
    site.enroll("garage-1", profile=2)
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with site.connected(bridge, "garage-1", headers={"X-Forwarded-Proto": "https"}):
            pass
    assert caught.value.status == 403
