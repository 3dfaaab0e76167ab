"""Handshakes at a time when no session may begin: the others took this instance for dead, or it is stopping."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import asyncpg
import pytest

from chassis.testing import eventually
from contracts.ocpp import ChargerConnected, ChargerDisconnected


@asynccontextmanager
async def slow_database(site):
    """No session begins as long as the block lasts; the lock is let go of at its end, or earlier by `rollback`."""
    connection = await asyncpg.connect(site.url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("lock table ocpp_bridge.charger_sessions in exclusive mode")
        yield transaction
    finally:
        await connection.close()


async def answered(site, bridge, charger_id):
    """How a handshake ends: its status where it is refused, or the code with which the socket is closed."""
    try:
        async with site.connected(bridge, charger_id) as charger:
            return await charger.closed()
    except aiohttp.WSServerHandshakeError as refused:
        return refused.status


async def refused(site, bridge, charger_id):
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with site.connected(bridge, charger_id):
            pass
    return caught.value


async def test_an_instance_that_was_taken_for_dead_lets_nobody_in_before_it_knows(site):
    one = await site.start("one")
    site.enroll("garage-1")
    await site.start("one")  # the same name: to it, the first is a process of the past
    error = await refused(site, one, "garage-1")
    assert error.status == 503
    assert int(error.headers["Retry-After"]) >= 10
    await one.succession.look()
    async with site.connected(one, "garage-1"):
        [connected] = await site.published(ChargerConnected)
        assert (connected.epoch, connected.bridge) == (1, one.instance)
    [ended] = await site.published(ChargerDisconnected)
    assert ended.why == "closed"


async def test_a_session_that_begins_while_its_instance_stops_is_ended_and_told_of_like_the_others(site):
    bridge = await site.start(handshakes_at_once=1, stop_within_s=60)
    for name in ("garage-1", "garage-2"):
        site.enroll(name)
    async with slow_database(site) as lock:
        first = asyncio.create_task(answered(site, bridge, "garage-1"))
        await eventually(lambda: _is((bridge.admission.in_progress, bridge.admission.waiting), (1, 0)))
        second = asyncio.create_task(answered(site, bridge, "garage-2"))
        await eventually(lambda: _is((bridge.admission.in_progress, bridge.admission.waiting), (1, 1)))
        stopping = asyncio.create_task(site.stop(bridge))
        await eventually(lambda: _is(bridge.not_ready() is not None, True))
        await lock.rollback()
        await asyncio.gather(stopping, first, second)
    assert (first.result(), second.result()) == (1001, 503)
    assert [said.charger_id for said in site.publisher.of(ChargerConnected)] == ["garage-1"]
    assert [said.why for said in site.publisher.of(ChargerDisconnected)] == ["bridge_stopped"]


def _is(value, expected):
    assert value == expected
