"""One charger, one session: numbered, taken over, fenced, pinged, and told of when it ends."""

import asyncio
import time
from datetime import timedelta

import aiohttp
import pytest

from chassis.testing import FakeClock, eventually
from contracts.ocpp import ChargerConnected, ChargerDisconnected, ConnectorStatusReported

CONNECTIVITY = "ocpp.connectivity.v1"
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


def story(site) -> list[tuple[str, int, str]]:
    """What was said of connectivity, in order."""
    return [
        (said.charger_id, said.epoch, said.why if isinstance(said, ChargerDisconnected) else "connected")
        for name, event in site.publisher.published
        if name == CONNECTIVITY
        for said in [event.data]
    ]


async def test_each_session_of_a_charger_has_a_greater_epoch_on_whichever_instance(site):
    one, two = await site.start("one"), await site.start("two")
    for bridge in (one, two, one):
        async with site.booted(bridge, "garage-1"):
            pass
    connected = await site.published(ChargerConnected, 3)
    assert [said.epoch for said in connected] == [1, 2, 3]
    assert [said.bridge for said in connected] == [one.instance, two.instance, one.instance]


async def test_a_new_socket_wins_and_the_old_one_is_closed_and_told_of_first(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as old, site.booted(bridge, "garage-1") as new:
        assert await old.closed() == 1008
        assert "currentTime" in await new.call("Heartbeat", {})
        await site.published(ChargerConnected, 2)
        assert story(site) == [("garage-1", 1, "connected"), ("garage-1", 1, "replaced"), ("garage-1", 2, "connected")]
    await site.published(ChargerDisconnected, 2)
    assert story(site)[-1] == ("garage-1", 2, "closed")


async def test_nothing_that_the_old_socket_says_after_the_takeover_counts(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as old:
        stale = bridge.sessions.get("garage-1")
        # The old socket is full of CALLs that wait for Kafka when the new one comes.
        site.publisher.holding.add("ocpp.observations.v1")
        for number in range(4):
            await old.send([2, f"s{number}", "StatusNotification", STATUS])
        await eventually(lambda: _is(len(stale._calls), 3))
        async with site.connected(bridge, "garage-1"):
            await eventually(lambda: _is(stale.fenced, True))
            site.publisher.release()
            await eventually(lambda: _is(stale._worker, None))
    assert [said.epoch for said in site.publisher.of(ConnectorStatusReported)] == [1]


def _is(found, expected):
    assert found == expected


async def _rows(bridge, statement, count, *arguments):
    assert len(await bridge._store.fetch(statement, *arguments)) == count


def _waited(since, seconds):
    assert time.monotonic() - since >= seconds


async def test_what_was_said_before_a_socket_died_still_counts(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        site.publisher.holding.add("ocpp.observations.v1")
        for number in range(3):
            await charger.send([2, f"s{number}", "StatusNotification", STATUS])
        await eventually(lambda: _is(len(bridge.sessions.get("garage-1")._calls), 2))
        charger.abort()
        await site.published(ChargerDisconnected)
        site.publisher.release()
        await site.published(ConnectorStatusReported, 3)


async def test_another_instance_takes_over_and_the_old_one_lets_go_without_a_word(site):
    one, two = await site.start("one"), await site.start("two")
    async with site.booted(one, "garage-1") as old, site.booted(two, "garage-1"):
        await site.published(ChargerConnected, 2)
        await one.succession.look()
        assert await old.closed() == 1008
        await eventually(lambda: _is(len(one.sessions), 0))
        await one.connectivity.all_told()
        # The last word about the charger on the compacted topic is that it is here.
        assert story(site) == [("garage-1", 1, "connected"), ("garage-1", 2, "connected")]


async def test_an_instance_lets_go_of_a_charger_that_has_come_to_others_several_times_since(site):
    one, two, three = [await site.start(name) for name in ("one", "two", "three")]
    async with site.booted(one, "garage-1") as first, site.booted(two, "garage-1") as second:
        for _ in range(2):
            async with site.booted(three, "garage-1"):
                pass
        await site.published(ChargerConnected, 4)
        for bridge, charger in ((one, first), (two, second)):
            await bridge.succession.look()
            assert await charger.closed() == 1008
        assert await bridge.epochs.taken() == []


async def test_what_a_dead_instance_had_to_let_go_of_is_forgotten_with_it(site):
    one, two = await site.start("one"), await site.start("two")
    async with site.booted(one, "garage-1"):
        await site.vanish(one)
    async with site.booted(two, "garage-1"):
        await site.start("one")
        assert await two._store.fetch("select from charger_sessions where taken_from is not null") == []


async def test_an_instance_that_lost_a_charger_to_another_keeps_the_end_of_the_old_socket_to_itself(site):
    one, two = await site.start("one"), await site.start("two")
    async with site.booted(one, "garage-1") as old, site.booted(two, "garage-1"):
        await site.published(ChargerConnected, 2)
        old.abort()
        await eventually(lambda: _is(len(one.sessions), 0))
        await one.connectivity.all_told()
        assert story(site)[-1] == ("garage-1", 2, "connected")


async def test_tcp_that_ends_without_a_goodbye_is_lost(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        charger.abort()
        [ended] = await site.published(ChargerDisconnected)
        assert ended.why == "lost"


async def test_news_of_a_charger_keep_their_order_while_kafka_is_slow(site):
    bridge = await site.start()
    site.publisher.holding.add(CONNECTIVITY)
    for _ in range(3):
        async with site.booted(bridge, "garage-1"):
            pass
    await eventually(lambda: _is(len(bridge.sessions), 0))
    site.publisher.release()
    await bridge.connectivity.all_told()
    assert [(epoch, what) for _, epoch, what in story(site)] == [
        (1, "connected"),
        (1, "closed"),
        (2, "connected"),
        (2, "closed"),
        (3, "connected"),
        (3, "closed"),
    ]


async def test_a_watched_charger_that_answers_no_ping_is_silent(site):
    bridge = await site.start(watch_ping_interval_s=0.1, pong_timeout_s=0.3)
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", autoping=False) as charger:
        await charger.boot()
        session = bridge.sessions.get("garage-1")
        bridge.watch.watch("garage-1", site.reset("garage-1", 1).data.not_after)
        message = await charger.ws.receive(30)
        assert message.type is aiohttp.WSMsgType.PING
        [ended] = await site.published(ChargerDisconnected)
        assert (ended.epoch, ended.why) == (1, "silent")
        assert session.over


async def test_a_watched_charger_that_answers_its_pings_stays(site):
    bridge = await site.start(watch_ping_interval_s=0.05, pong_timeout_s=1.5)
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", autoping=False) as charger:
        await charger.boot()
        bridge.watch.watch("garage-1", site.reset("garage-1", 1).data.not_after)
        began = time.monotonic()
        while time.monotonic() - began < 2.0:  # so long it would not stay if its answers counted for nothing
            message = await charger.ws.receive(30)
            assert message.type is aiohttp.WSMsgType.PING
            await charger.ws.pong(message.data)
        await charger.send([2, "h1", "Heartbeat", {}])
        while (message := await charger.ws.receive(30)).type is aiohttp.WSMsgType.PING:
            await charger.ws.pong(message.data)
        assert message.type is aiohttp.WSMsgType.TEXT
    assert [said.why for said in await site.published(ChargerDisconnected)] == ["closed"]


async def test_a_charger_is_watched_for_as_long_as_it_was_to_be_though_the_clock_is_put_forward(site):
    site.clock = FakeClock()
    bridge = await site.start(ping_interval_s=60, watch_ping_interval_s=2)
    async with site.booted(bridge, "garage-1"):
        session = bridge.sessions.get("garage-1")
        bridge.watch.watch("garage-1", site.clock.now() + timedelta(seconds=100))
        site.clock.jump(300)
        for seconds, pinged in ((50, True), (105, False)):
            began, moment = session.pinged_at, session.heard_at + seconds
            session.pinged_at = session.heard_at = moment - 3
            session.asked_at = 0.0
            bridge.watch.look(moment)
            assert (session.pinged_at != moment - 3) is pinged, (seconds, began)


async def test_nobody_is_pinged_before_the_idle_interval(site):
    bridge = await site.start(ping_interval_s=60)
    async with site.booted(bridge, "garage-1"):
        session = bridge.sessions.get("garage-1")
        began = session.pinged_at
        bridge.watch.look(session.heard_at + 59)
        assert session.pinged_at == began
        bridge.watch.look(session.heard_at + 61)
        assert session.pinged_at > began


async def test_a_stop_closes_with_1001_and_tells_of_every_session(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as one, site.booted(bridge, "garage-2") as two:
        codes = asyncio.gather(one.closed(), two.closed())
        await site.stop(bridge)
        assert await codes == [1001, 1001]
    assert sorted(story(site)[-2:]) == [("garage-1", 1, "bridge_stopped"), ("garage-2", 1, "bridge_stopped")]


async def test_a_stop_does_not_wait_for_chargers_that_say_no_goodbye_before_it_tells_of_them(site):
    bridge = await site.start(stop_within_s=60.0)
    async with site.booted(bridge, "garage-1"):
        stopping = asyncio.create_task(site.stop(bridge))  # the charger reads nothing meanwhile
        [ended] = await site.published(ChargerDisconnected)
        assert ended.why == "bridge_stopped"
        assert not stopping.done()
    await stopping


async def test_the_sessions_of_an_instance_that_stopped_well_are_not_told_of_again(site):
    one = await site.start("one")
    async with site.booted(one, "garage-1"):
        await site.stop(one)
    told = len(site.publisher.published)
    two = await site.start("two")
    await two.succession.look()
    assert len(site.publisher.published) == told


async def test_a_killed_instance_is_inherited_by_the_next_process_of_its_name(site):
    one = await site.start("one")
    async with site.booted(one, "garage-1"), site.booted(one, "garage-2"):
        await site.published(ChargerConnected, 2)
        await site.vanish(one)
    assert site.publisher.of(ChargerDisconnected) == []
    await site.start("one")
    lost = await site.published(ChargerDisconnected, 2)
    assert sorted((said.charger_id, said.epoch, said.why, said.bridge) for said in lost) == [
        ("garage-1", 1, "bridge_lost", one.instance),
        ("garage-2", 1, "bridge_lost", one.instance),
    ]


async def test_a_killed_instance_is_inherited_by_another_when_its_lease_has_ended_but_not_before(site):
    one = await site.start("one", lease_s=0.5)
    two = await site.start("two", lease_s=30)
    async with site.booted(one, "garage-1"):
        await site.published(ChargerConnected)
        await site.vanish(one)
    await two.succession.look()
    assert site.publisher.of(ChargerDisconnected) == []
    three = await site.start("three", lease_s=0.5)

    async def inherited() -> None:
        await three.succession.look()
        [lost] = site.publisher.of(ChargerDisconnected) or [None]
        assert lost is not None
        assert (lost.charger_id, lost.epoch, lost.why) == ("garage-1", 1, "bridge_lost")

    await eventually(inherited)


async def test_what_an_instance_had_only_just_closed_is_told_of_whatever_its_clock_said(site):
    site.clock = FakeClock()  # months behind
    one = await site.start("one")
    async with site.booted(one, "garage-1"):
        await site.published(ChargerConnected)
        site.publisher.holding.add(CONNECTIVITY)
    closed = "select from charger_sessions where closed_at is not null"
    await eventually(lambda: _rows(one, closed, 1))
    await site.vanish(one)
    site.publisher.held.clear()
    site.publisher.holding.clear()
    await site.start("one")
    assert [said.why for said in await site.published(ChargerDisconnected)] == ["bridge_lost"]


async def test_an_heir_that_waits_for_kafka_keeps_its_own_lease(site):
    one = await site.start("one", lease_s=0.5)
    async with site.booted(one, "garage-1"):
        await site.published(ChargerConnected)
        await site.vanish(one)
    site.publisher.holding.add(CONNECTIVITY)
    two, name = await site.start("two", lease_s=0.5), "two"
    async with site.booted(two, "garage-2") as charger:
        name = two.instance
        await eventually(lambda: _is(len(site.publisher.held), 2))  # the news of garage-2, and of garage-1's end
        renewed = "select from bridge_leases where instance = $1 and renewed_at > clock_timestamp() - interval '0.3 s'"
        began = time.monotonic()
        await eventually(lambda: _waited(began, 1.0))
        await eventually(lambda: _rows(two, renewed, 1, name))
        assert (two.instance, charger.ws.closed) == (name, False)


async def test_an_instance_that_was_taken_for_dead_while_it_began_goes_on_under_a_new_name(site):
    one = await site.start("one")
    async with site.booted(one, "garage-1"):
        await site.published(ChargerConnected)
        await site.vanish(one)
    site.publisher.holding.add(CONNECTIVITY)
    beginning = asyncio.create_task(site.start("one"))
    three = await site.start("three")
    await eventually(lambda: _is(len(site.publisher.held), 1))
    taken = "delete from bridge_leases where instance like 'one%' and instance <> $1 returning instance"
    leases = await three._store.fetch(taken, one.instance)
    site.publisher.release()
    again = await beginning
    assert [row["instance"] for row in leases] not in ([], [again.instance])
    assert len(await three._store.fetch("select from bridge_leases where instance = $1", again.instance)) == 1


async def test_a_charger_that_is_back_elsewhere_is_not_declared_lost(site):
    one, two = await site.start("one"), await site.start("two")
    async with site.booted(one, "garage-1"):
        await site.published(ChargerConnected)
        await site.vanish(one)
    async with site.booted(two, "garage-1"):
        await site.published(ChargerConnected, 2)
        await site.start("one")
        assert story(site) == [("garage-1", 1, "connected"), ("garage-1", 2, "connected")]


async def test_an_instance_that_was_taken_for_dead_lets_all_its_chargers_go_and_goes_on_under_a_new_name(site):
    one = await site.start("one")
    old_name = one.instance
    async with site.booted(one, "garage-1") as charger:
        await site.published(ChargerConnected)
        two = await site.start("one")  # the same name: to it, the first is a process of the past
        assert [said.why for said in site.publisher.of(ChargerDisconnected)] == ["bridge_lost"]
        await one.succession.look()
        assert await charger.closed() == 1008
    assert one.instance not in {old_name, two.instance}
    async with site.booted(one, "garage-1"):
        connected = await site.published(ChargerConnected, 2)
        assert (connected[-1].epoch, connected[-1].bridge) == (2, one.instance)


@pytest.mark.parametrize("count", [300])
async def test_a_storm_of_connections_shares_its_round_trips(site, count):
    bridge = await site.start()
    statements = 0
    fetch = bridge._store.fetch

    async def counted(statement, *arguments):
        nonlocal statements
        statements += "insert into charger_sessions" in statement
        return await fetch(statement, *arguments)

    bridge._store.fetch = counted
    opened = await _open_many(bridge, count)
    assert all(one.epoch == 1 for one in opened)
    assert statements <= 3


async def _open_many(bridge, count):
    epochs = bridge.connectivity._epochs
    return await asyncio.gather(*(epochs.open(f"garage-{number}", "ocpp1.6") for number in range(count)))
