"""Before a charger is said to have ignored a Reset, it is asked whether it is there at all."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp

from chassis.clock import SystemClock
from chassis.testing import FakeClock, eventually
from contracts import topics
from contracts.envelope import Envelope
from contracts.ocpp import ChargerDisconnected, ChargerProbed, ProbeCharger

at_a_moment = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def probe(epoch: int = 1, **more: Any) -> Envelope:
    now = SystemClock().now()
    until = now + timedelta(seconds=10)
    command = ProbeCharger(
        charger_id="garage-1", attempt_id=uuid4(), epoch=epoch, not_after=until, escalation=1, **more
    )
    return Envelope(id=uuid4(), source="/services/test", time=now, data=command)


async def test_a_charger_that_answers_a_ping_is_there(site):
    bridge = await site.start(ping_interval_s=60)
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", autoping=False) as charger:
        await charger.boot()
        asked = probe()
        bridge.take_command(asked)
        message = await charger.ws.receive(30)
        assert message.type is aiohttp.WSMsgType.PING
        assert site.publisher.on(topics.OCPP_ANSWERS) == []
        await charger.ws.pong(message.data)
        [told] = await site.published(ChargerProbed)
        assert (told.attempt_id, told.epoch, told.escalation) == (asked.data.attempt_id, 1, 1)
        assert told.heard_at >= asked.time


async def test_the_answer_names_its_question_and_how_long_the_charger_has_been_there_since_its_reset(site):
    site.clock = FakeClock()  # which stands still, and is years off
    bridge = await site.start(ping_interval_s=60)
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", autoping=False) as charger:
        await charger.boot()
        session = bridge.sessions.get("garage-1")
        session.began_at -= 1000
        bridge.take_command(probe())
        await charger.ws.pong((await charger.ws.receive(30)).data)
        [told] = await site.published(ChargerProbed)
        assert 1000 <= told.lasted_s < 1060
        bridge.take_command(site.reset("garage-1", 1))
        assert (await charger.receive())[2] == "Reset"
        bridge.take_command(probe(asked_at=at_a_moment))
        await charger.ws.pong((await charger.ws.receive(30)).data)
        [_, told] = await site.published(ChargerProbed, 2)
        assert told.asked_at == at_a_moment
        assert told.lasted_s < 60


async def test_nothing_is_said_of_a_session_that_ends_instead(site):
    bridge = await site.start(ping_interval_s=60)
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", autoping=False) as charger:
        await charger.boot()
        bridge.take_command(probe())
        await charger.ws.receive(30)
    await site.published(ChargerDisconnected)
    await eventually(lambda: _idle(bridge))
    assert site.publisher.on(topics.OCPP_ANSWERS) == []


async def test_only_the_session_that_was_asked_about_is_pinged(site):
    bridge = await site.start(ping_interval_s=60)
    async with site.booted(bridge, "garage-1"):
        session = bridge.sessions.get("garage-1")
        pinged = session.pinged_at
        bridge.take_command(probe(epoch=session.epoch - 1))
        await eventually(lambda: _idle(bridge))
        assert session.pinged_at == pinged
        assert site.publisher.on(topics.OCPP_ANSWERS) == []


def _idle(bridge):
    assert bridge.probes.idle
