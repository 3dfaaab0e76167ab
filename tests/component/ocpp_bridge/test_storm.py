"""All chargers return at once: bounded work, a bounded queue, and nobody lost."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from chassis.testing import eventually
from contracts.fleet import Registration
from contracts.ocpp import ChargerBooted, ChargerConnected, ChargerDisconnected, ConnectorStatusReported
from contracts.restart import AttemptMoved, Status
from simulator import Charger, Fleet

from .conftest import BOOTS, PASSWORD, envelope

OBSERVATIONS = "ocpp.observations.v1"
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


def is_being_restarted(site, bridge, charger_id, status=Status.RESTARTING):
    now = site.clock.now()
    moved = AttemptMoved(
        attempt_id=uuid4(),
        charger_id=charger_id,
        group_id="depot",
        version=1,
        status=status,
        moved_at=now,
        requested_by="somebody",
        requested_at=now,
        when="now",
        strength="auto",
    )
    bridge.open_attempts.apply(envelope(moved))


@asynccontextmanager
async def slow_database(site):
    """Nobody gets an epoch as long as the block lasts."""
    connection = await asyncpg.connect(site.url)
    try:
        async with connection.transaction():
            await connection.execute("lock table ocpp_bridge.charger_sessions in exclusive mode")
            yield
    finally:
        await connection.close()


class Knocking:
    """Chargers that connect, each in a task of its own, and stay."""

    def __init__(self, site, bridge, stack):
        self.site = site
        self.bridge = bridge
        self.stack = stack
        self.refused: dict[str, aiohttp.WSServerHandshakeError] = {}
        self.tasks: list[asyncio.Task[None]] = []

    def come(self, charger_id):
        self.site.enroll(charger_id)
        self.tasks.append(asyncio.create_task(self._connect(charger_id)))

    async def _connect(self, charger_id):
        try:
            await self.stack.enter_async_context(self.site.connected(self.bridge, charger_id))
        except aiohttp.WSServerHandshakeError as error:
            self.refused[charger_id] = error


@asynccontextmanager
async def knocking(site, bridge):
    async with AsyncExitStack() as stack:
        made = Knocking(site, bridge, stack)
        yield made
        await asyncio.gather(*made.tasks)


def is_(check):
    def look():
        assert check()

    return eventually(look)


async def test_chargers_beyond_the_queue_get_503_with_a_jittered_time_and_the_others_are_let_in(site):
    bridge = await site.start(handshakes_at_once=2, handshakes_waiting=3, handshake_patience_s=60, retry_after_s=10)
    async with knocking(site, bridge) as chargers:
        async with slow_database(site):
            for number in range(5):
                chargers.come(f"garage-{number}")
            await is_(lambda: bridge.admission.waiting == 3)
            for number in range(5, 25):
                chargers.come(f"garage-{number}")
            await is_(lambda: len(chargers.refused) == 20)
            assert bridge.admission.waiting == 3
        await site.published(ChargerConnected, 5)
    assert {error.status for error in chargers.refused.values()} == {503}
    times = {int(error.headers["Retry-After"]) for error in chargers.refused.values()}
    assert min(times) >= 10
    assert max(times) <= 20
    assert len(times) > 1
    assert site.metric(bridge, "handshakes_total", answer="503") == 20


async def test_a_charger_that_is_being_restarted_goes_before_those_that_came_earlier(site):
    bridge = await site.start(handshakes_at_once=1, handshake_patience_s=60)
    is_being_restarted(site, bridge, "urgent")
    async with knocking(site, bridge) as chargers:
        async with slow_database(site):
            for waiting, charger_id in enumerate(("first", "second", "third", "urgent")):
                chargers.come(charger_id)
                await is_(
                    lambda waiting=waiting: bridge.admission.in_progress + bridge.admission.waiting == waiting + 1
                )
        connected = await site.published(ChargerConnected, 4)
    assert [said.charger_id for said in connected] == ["first", "urgent", "second", "third"]


async def test_a_charger_that_waits_too_long_for_its_turn_gets_503(site):
    bridge = await site.start(handshakes_at_once=1, handshake_patience_s=0.1)
    async with knocking(site, bridge) as chargers, slow_database(site):
        chargers.come("garage-1")
        await is_(lambda: bridge.admission.in_progress == 1)
        chargers.come("garage-2")
        await is_(lambda: "garage-2" in chargers.refused)
    assert int(chargers.refused["garage-2"].headers["Retry-After"]) >= 10


async def test_a_charger_that_is_revoked_while_it_waits_is_not_let_in(site):
    bridge = await site.start(handshakes_at_once=1, handshake_patience_s=60)
    async with knocking(site, bridge) as chargers:
        async with slow_database(site):
            chargers.come("garage-1")
            await is_(lambda: bridge.admission.in_progress == 1)
            chargers.come("garage-2")
            await is_(lambda: bridge.admission.waiting == 1)
            site.revoke("garage-2")
        await is_(lambda: "garage-2" in chargers.refused)
    assert chargers.refused["garage-2"].status == 404


async def test_a_charger_that_goes_away_while_it_waits_costs_nothing_and_is_no_error(site, caplog):
    bridge = await site.start(handshakes_at_once=1, handshake_patience_s=60)
    async with knocking(site, bridge) as chargers:
        async with slow_database(site):
            chargers.come("garage-1")
            await is_(lambda: bridge.admission.in_progress == 1)
            chargers.come("garage-2")
            await is_(lambda: bridge.admission.waiting == 1)
            chargers.tasks.pop().cancel()
        await is_(lambda: site.metric(bridge, "handshakes_total", answer="gone") == 1)
    assert [said.charger_id for said in site.publisher.of(ChargerConnected)] == ["garage-1"]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_charger_that_goes_away_in_its_handshake_has_no_session_left_on_which_no_reset_could_be_sent(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger, knocking(site, bridge) as chargers:
        async with slow_database(site):
            chargers.come("garage-1")
            await is_(lambda: bridge.admission.in_progress == 1)
            chargers.tasks.pop().cancel()
            await is_(lambda: all(one.transport is None for one in bridge.listener._runner.server.connections))
        assert await charger.closed() == 1008
    assert [(said.epoch, said.why) for said in await site.published(ChargerDisconnected)] == [(1, "replaced")]


async def test_an_instance_that_can_hold_no_more_sockets_says_so(site):
    bridge = await site.start(sockets_at_most=1)
    site.enroll("garage-2")
    async with site.booted(bridge, "garage-1"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with site.connected(bridge, "garage-2"):
                pass
        assert caught.value.status == 503
        assert int(caught.value.headers["Retry-After"]) >= 10


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_a_boot_beyond_the_bound_is_answered_pending_and_accepted_when_it_is_said_again(site, protocol):
    bridge = await site.start(boots_at_once=1, boot_put_off_s=10)
    site.enroll("garage-1")
    site.enroll("garage-2")
    async with (
        site.connected(bridge, "garage-1", protocol) as first,
        site.connected(bridge, "garage-2", protocol) as second,
    ):
        site.publisher.holding.add(OBSERVATIONS)
        await first.send([2, "b1", "BootNotification", BOOTS[protocol]])
        await is_(lambda: bridge.boots.in_progress == 1)
        answer = await second.boot()
        assert answer["status"] == "Pending"
        assert 10 <= answer["interval"] <= 20
        assert answer["currentTime"].endswith("Z")
        site.publisher.release()
        assert (await first.receive())[2]["status"] == "Accepted"
        assert (await second.boot())["status"] == "Accepted"
        assert "currentTime" in await second.call("Heartbeat", {})
    assert sorted(said.charger_id for said in site.publisher.of(ChargerBooted)) == ["garage-1", "garage-2"]
    assert site.metric(bridge, "boots_put_off_total", why="too many") == 1


async def test_a_charger_that_is_being_restarted_is_not_put_off_because_of_others(site):
    bridge = await site.start(boots_at_once=1)
    is_being_restarted(site, bridge, "urgent")
    site.enroll("garage-1")
    site.enroll("urgent")
    async with site.connected(bridge, "garage-1") as first, site.connected(bridge, "urgent") as urgent:
        site.publisher.holding.add(OBSERVATIONS)
        await first.send([2, "b1", "BootNotification", BOOTS["ocpp1.6"]])
        await is_(lambda: bridge.boots.in_progress == 1)
        await urgent.send([2, "b2", "BootNotification", BOOTS["ocpp1.6"]])
        await is_(lambda: bridge.boots.in_progress == 2)
        site.publisher.release()
        assert (await urgent.receive())[2]["status"] == "Accepted"


async def test_a_boot_that_kafka_gets_late_is_put_off_and_counts_once_when_it_is_said_again(site):
    bridge = await site.start(boot_patience_s=0.05)
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1") as charger:
        site.publisher.holding.add(OBSERVATIONS)
        assert (await charger.boot())["status"] == "Pending"
        assert (await charger.boot())["status"] == "Pending"
        site.publisher.release()
        assert (await charger.boot())["status"] == "Accepted"
        assert (await charger.boot())["status"] == "Accepted"
    *same, another = [said.id for said in site.publisher.envelopes(ChargerBooted)]
    assert len(same) == 3
    assert len(set(same)) == 1
    assert another not in same


async def test_a_boot_that_is_said_again_on_the_next_session_says_since_when_it_is_owed(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1"):
        pass
    site.publisher.failing.add(OBSERVATIONS)
    for _ in range(2):
        async with site.connected(bridge, "garage-1") as charger:
            assert (await charger.boot())["status"] == "Pending"
    site.publisher.failing.clear()
    for _ in range(2):
        async with site.booted(bridge, "garage-1"):
            pass
    told = site.publisher.of(ChargerBooted)
    assert [(said.epoch, said.owed_since) for said in told] == [(1, None), (4, 2), (5, None)]


async def test_a_charger_whose_first_boot_was_put_off_owes_it_to_every_instance(site):
    one, two = await site.start("one"), await site.start("two")
    site.enroll("garage-1")
    site.publisher.failing.add(OBSERVATIONS)
    async with site.connected(one, "garage-1") as charger:
        assert (await charger.boot())["status"] == "Pending"
    site.publisher.failing.clear()
    async with site.booted(two, "garage-1"):
        pass
    assert [(said.epoch, said.owed_since) for said in site.publisher.of(ChargerBooted)] == [(2, 1)]


async def test_a_boot_that_kafka_refuses_is_put_off_too(site):
    bridge = await site.start()
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", "ocpp2.0.1") as charger:
        site.publisher.failing.add(OBSERVATIONS)
        assert (await charger.boot())["status"] == "Pending"
        assert (await charger.call("Heartbeat", {}))[0] == "SecurityError"
        site.publisher.failing.clear()
        assert (await charger.boot())["status"] == "Accepted"


def all_have_told(site, names):
    assert {said.charger_id for said in site.publisher.of(ConnectorStatusReported)} == set(names)


async def test_a_storm_loses_nobody_and_never_has_more_in_progress_than_allowed(site, monkeypatch):
    bridge = await site.start(
        handshakes_at_once=10, handshakes_waiting=30, retry_after_s=1, boots_at_once=10, boot_put_off_s=1
    )
    names = [f"garage-{number:03}" for number in range(150)]
    most_waiting = most_in_progress = 0
    opening = bridge.epochs.open

    async def watched(charger_id, protocol):
        nonlocal most_waiting, most_in_progress
        most_waiting = max(most_waiting, bridge.admission.waiting)
        most_in_progress = max(most_in_progress, bridge.admission.in_progress)
        return await opening(charger_id, protocol)

    monkeypatch.setattr(bridge.epochs, "open", watched)
    for name in names:
        site.enroll(name)
    url = f"ws://127.0.0.1:{bridge.listener.port}/ocpp"
    async with Fleet(
        [Charger(name, url, PASSWORD) for name in names]
    ) as fleet:  # they wait for as long as they are told
        await fleet.booted()
        refused = [each.status for charger in fleet for each in charger.facts.handshakes_refused]
        await eventually(lambda: all_have_told(site, names), within=90)
    assert set(refused) == {503}
    assert most_in_progress <= 10
    assert most_waiting <= 30
    for kind in (ChargerConnected, ChargerBooted):
        assert sorted(said.charger_id for said in site.publisher.of(kind)) == names


async def test_those_who_wait_for_their_turn_count_among_the_sockets_that_can_be_held(site):
    bridge = await site.start(sockets_at_most=3, handshakes_at_once=1)
    async with knocking(site, bridge) as chargers, slow_database(site):
        for name in ("first", "second", "third"):
            chargers.come(name)
        await is_(lambda: (bridge.admission.in_progress, bridge.admission.waiting) == (1, 2))
        chargers.come("fourth")
        await is_(lambda: list(chargers.refused) == ["fourth"])
    assert chargers.refused["fourth"].status == 503
    assert len(await site.published(ChargerConnected, 3)) == 3


@pytest.mark.parametrize("registration", [Registration.PENDING, Registration.REJECTED])
async def test_a_boot_that_was_put_off_leaves_no_acceptance_behind_when_it_is_not_accepted(site, registration):
    bridge = await site.start(boot_patience_s=0.05)
    async with site.booted(bridge, "garage-1", "ocpp2.0.1") as charger:
        site.enroll("garage-1", registration=registration)
        site.publisher.holding.add(OBSERVATIONS)
        assert (await charger.boot())["status"] == "Pending"
        site.publisher.release()
        assert (await charger.boot())["status"] == registration.value.capitalize()
    async with site.connected(bridge, "garage-1", "ocpp2.0.1") as charger:
        assert (await charger.call("Heartbeat", {}))[0] == "SecurityError"
