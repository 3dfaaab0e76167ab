"""Who does not get past TLS: told of as far as he can be named, and not listened to without end."""

import asyncio
import contextlib
import ssl

import pytest
from certificates import Door

from chassis.testing import eventually
from contracts.ocpp import ConnectionRefused, StrangerRefused


@pytest.fixture
def door(tmp_path) -> Door:
    return Door(tmp_path)


async def knock(bridge, context: ssl.SSLContext) -> None:
    """Somebody who does not get in, on one connection; with TLS 1.3 he hears of it only when he reads."""
    port = bridge.listener.tls_port
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        try:
            assert await reader.read(1) == b""
        finally:
            writer.close()


def strange(door, name="garage-1", version=ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = door.authority.client(door.stranger.issue(name, organization="Operator", file="strange"))
    context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_of_a_strange_authority_is_told_of_with_the_charger_that_it_claims_to_be(
    site, door, version
):
    bridge = await site.start(**door.settings())
    site.enroll("garage-1", profile=3)
    await knock(bridge, strange(door, version=version))
    [told] = await site.published(ConnectionRefused)
    assert (told.charger_id, told.why, told.cause) == ("garage-1", "wrong_certificate", "strange_authority")
    assert (told.address, told.count, told.named_by) == ("127.0.0.1", 1, "certificate")
    assert site.metric(bridge, "connections_refused_total", why="wrong_certificate") == 1


@pytest.mark.parametrize(
    ("days", "begins", "cause"), [(-0.5, -1, "expired"), (2, 1, "not_yet_valid")], ids=["expired", "not yet valid"]
)
async def test_a_certificate_at_the_wrong_time_is_told_of(site, door, days, begins, cause):
    bridge = await site.start(**door.settings())
    site.enroll("garage-1", profile=3)
    await knock(bridge, door.charger("garage-1", days=days, begins=begins, file="untimely"))
    [told] = await site.published(ConnectionRefused)
    assert (told.charger_id, told.why, told.cause) == ("garage-1", "wrong_certificate", cause)


async def test_a_name_that_is_no_charger_is_told_of_under_the_address_alone(site, door):
    bridge = await site.start(**door.settings())
    site.enroll("garage-1", profile=3)
    await knock(bridge, strange(door, "somebody else"))
    [told] = await site.published(StrangerRefused)
    assert (told.why, told.cause, told.address) == ("wrong_certificate", "strange_authority", "127.0.0.1")
    assert told.claimed_name == "somebody else"
    assert site.publisher.of(ConnectionRefused) == []


async def test_invented_names_from_one_address_are_one_event(site, door):
    bridge = await site.start(**door.settings())
    for number in range(5):
        await knock(bridge, strange(door, f"invented {number}"))
    await site.stop(bridge)
    told = site.publisher.of(StrangerRefused)
    assert [(each.count, each.claimed_name) for each in told] == [(1, "invented 0"), (4, "invented 4")]


async def test_a_name_in_a_certificate_that_is_not_accepted_counts_against_nobody_but_its_address(site, door):
    bridge = await site.start(**door.settings(wrong_credentials=2, wrong_credentials_every_s=600))
    site.enroll("garage-1", profile=3)
    for _ in range(5):
        await knock(bridge, strange(door))
    async with site.connected(bridge, "garage-1", ssl=door.charger("garage-1"), password=None):
        pass


async def test_an_address_that_fails_too_often_gets_its_turns_and_a_good_charger_there_gets_in(site, door):
    limits = {"wrong_credentials": 1, "wrong_credentials_every_s": 600, "crowded_handshakes_per_second": 5}
    bridge = await site.start(**door.settings(**limits, handshake_patience_s=4.0))
    site.enroll("garage-1", profile=3)
    good, bad = door.charger("garage-1"), strange(door)
    for _ in range(11):
        await knock(bridge, bad)

    async def crowd() -> None:
        await asyncio.gather(*(knock(bridge, bad) for _ in range(60)))

    crowding = asyncio.create_task(crowd())
    await eventually(lambda: turned_away(site, bridge))
    told = await site.published(StrangerRefused)
    assert (told[0].why, told[0].address) == ("too_many", "127.0.0.1")
    # From elsewhere nobody waits.
    _, writer = await asyncio.open_connection(
        "127.0.0.1",
        bridge.listener.tls_port,
        ssl=good,
        server_hostname="localhost",
        local_addr=("127.0.0.2", 0),
    )
    assert not crowding.done()
    writer.close()
    await crowding
    assert site.metric(bridge, "tls_handshake_failures_total", why="too_many") >= 20
    async with site.connected(bridge, "garage-1", ssl=good, password=None) as charger:
        assert (await charger.boot())["status"] == "Accepted"


def turned_away(site, bridge) -> None:
    assert site.metric(bridge, "tls_handshake_failures_total", why="too_many") > 0


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02"], ids=["nothing", "half a hello"])
async def test_a_client_that_does_not_come_to_its_tls_is_ended(site, door, said):
    bridge = await site.start(**door.settings(handshake_within_s=0.5))
    reader, writer = await asyncio.open_connection("127.0.0.1", bridge.listener.tls_port)
    writer.write(said)
    assert await asyncio.wait_for(reader.read(-1), 30) == b""
    writer.close()

    def counted() -> None:
        assert site.metric(bridge, "handshakes_total", answer="slow") == 1

    await eventually(counted)
    assert site.publisher.of(StrangerRefused) == []


async def test_what_is_no_tls_ends_its_own_connection_only(site, door):
    bridge = await site.start(**door.settings())
    site.enroll("garage-1", profile=3)
    async with site.connected(bridge, "garage-1", ssl=door.charger("garage-1"), password=None) as charger:
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.listener.tls_port)
        writer.write(b"GET /ocpp/garage-1 HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
        await asyncio.wait_for(reader.read(-1), 30)
        writer.close()
        assert (await charger.boot())["status"] == "Accepted"
    assert site.metric(bridge, "connections_refused_total", why="wrong_certificate") == 0
