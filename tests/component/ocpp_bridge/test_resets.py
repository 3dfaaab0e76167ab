"""A ResetCharger becomes one frame at most, whatever happens, and its answer is told whenever and wherever it comes."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from chassis.testing import eventually
from contracts import topics
from contracts.ocpp import (
    ChargerConnected,
    ChargerDisconnected,
    ResetAccepted,
    ResetNotDelivered,
    ResetRejected,
    ResetScheduled,
    ResetSent,
    ResetUnanswered,
    ResetUnsupported,
)


def answers(site) -> list[str]:
    return [type(said).__name__ for said in site.publisher.on(topics.OCPP_ANSWERS)]


def _is(found, expected):
    assert found == expected


async def quiet(charger) -> None:
    """Nothing but the answer to a heartbeat comes: what was to be sent before it would have come before it."""
    assert "currentTime" in await charger.call("Heartbeat", {})


@pytest.mark.parametrize(
    ("protocol", "fields", "payload"),
    [
        ("ocpp1.6", {}, {"type": "Soft"}),
        ("ocpp1.6", {"strength": "soft", "on_idle": True, "evse_id": 1}, {"type": "Soft"}),
        ("ocpp1.6", {"strength": "hard"}, {"type": "Hard"}),
        ("ocpp2.0.1", {}, {"type": "Immediate"}),
        ("ocpp2.0.1", {"strength": "hard"}, {"type": "Immediate"}),
        ("ocpp2.0.1", {"on_idle": True}, {"type": "OnIdle"}),
        ("ocpp2.1", {"evse_id": 2}, {"type": "Immediate", "evseId": 2}),
    ],
)
async def test_the_command_becomes_the_frame_of_the_chargers_version(site, protocol, fields, payload):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", protocol) as charger:
        command = site.reset("garage-1", 1, **fields)
        bridge.resets.take(command)
        kind, message_id, action, sent = await charger.receive()
        assert (kind, action, sent) == (2, "Reset", payload)
        assert len(message_id) <= 36
        [told] = await site.published(ResetSent)
        assert (told.attempt_id, told.epoch, told.message_id) == (command.data.attempt_id, 1, message_id)
        assert action in told.frame
        await charger.send([3, message_id, {"status": "Accepted"}])
        [accepted] = await site.published(ResetAccepted)
        assert (accepted.attempt_id, accepted.epoch, accepted.answer_epoch) == (command.data.attempt_id, 1, 1)
    assert answers(site) == ["ResetSent", "ResetAccepted"]


@pytest.mark.parametrize(
    ("answer", "kind", "expected"),
    [
        ([3, {"status": "Scheduled"}], ResetScheduled, {}),
        (
            [3, {"status": "Rejected", "statusInfo": {"reasonCode": "InUse", "additionalInfo": "EVSE 1"}}],
            ResetRejected,
            {"info": "InUse: EVSE 1"},
        ),
        ([3, {"status": "Accepted", "statusInfo": None}], ResetAccepted, {"info": None}),
        ([4, "NotSupported", "no", {}], ResetUnsupported, {"code": "NotSupported"}),
        ([4, "NotImplemented", "", {}], ResetUnsupported, {"code": "NotImplemented"}),
        ([4, "InternalError", "", {}], ResetUnanswered, {"why": "call_error", "error": "InternalError"}),
        ([3, {"status": "Perhaps"}], ResetUnanswered, {"why": "call_error"}),
    ],
)
async def test_each_answer_is_told_as_what_it_is(site, answer, kind, expected):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1", "ocpp2.0.1") as charger:
        bridge.resets.take(site.reset("garage-1", 1))
        message_id = (await charger.receive())[1]
        await charger.send([answer[0], message_id, *answer[1:]])
        [told] = await site.published(kind)
        for name, value in expected.items():
            assert getattr(told, name) == value


async def test_a_command_that_is_delivered_again_sends_no_second_frame(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        command = site.reset("garage-1", 1)
        for _ in range(3):
            bridge.resets.take(command)
        message_id = (await charger.receive())[1]
        await charger.send([3, message_id, {"status": "Accepted"}])
        await site.published(ResetAccepted)
        bridge.resets.take(command)
        await eventually(lambda: _is(len(bridge.resets._under_way), 0))
        await quiet(charger)
    assert answers(site) == ["ResetSent", "ResetAccepted"]


async def test_an_expired_command_is_not_sent(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        bridge.resets.take(site.reset("garage-1", 1, not_after=site.clock.now() - timedelta(seconds=1)))
        [told] = await site.published(ResetNotDelivered)
        assert told.why == "expired"
        await quiet(charger)


async def test_a_command_for_an_earlier_session_is_not_sent(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1"):
        pass
    async with site.booted(bridge, "garage-1") as charger:
        bridge.resets.take(site.reset("garage-1", 1))
        [told] = await site.published(ResetNotDelivered)
        assert (told.why, told.epoch) == ("other_session", 1)
        await quiet(charger)


async def test_a_command_for_a_charger_that_is_gone_is_told_of_once_by_the_instance_that_held_it(site):
    one, two = await site.start("one"), await site.start("two")
    async with site.booted(one, "garage-1"):
        pass
    await site.published(ChargerDisconnected)
    command = site.reset("garage-1", 1)
    for bridge in (one, two):
        bridge.resets.take(command)
    [told] = await site.published(ResetNotDelivered)
    assert told.why == "not_connected"
    for bridge in (one, two):
        await eventually(lambda bridge=bridge: _is(len(bridge.resets._under_way), 0))
    assert answers(site) == ["ResetNotDelivered"]


async def test_nothing_is_sent_for_what_was_declined_even_when_the_session_would_fit(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        attempt_id = uuid4()
        past = site.clock.now() - timedelta(seconds=1)
        bridge.resets.take(site.reset("garage-1", 1, attempt_id=attempt_id, not_after=past))
        await site.published(ResetNotDelivered)
        bridge.resets.take(site.reset("garage-1", 1, attempt_id=attempt_id))
        await eventually(lambda: _is(len(bridge.resets._under_way), 0))
        await quiet(charger)


async def test_commands_of_chargers_that_nobody_here_has_held_are_left_to_others(site):
    bridge = await site.start()
    bridge.resets.take(site.reset("stranger", 1))
    await eventually(lambda: _is(len(bridge.resets._under_way), 0))
    assert answers(site) == []


async def test_no_answer_in_time_is_unanswered_and_a_late_one_is_still_told(site):
    bridge = await site.start(answer_timeout_s=0.1)
    async with site.booted(bridge, "garage-1") as charger:
        bridge.resets.take(site.reset("garage-1", 1))
        message_id = (await charger.receive())[1]
        [told] = await site.published(ResetUnanswered)
        assert told.why == "timeout"
        await charger.send([3, message_id, {"status": "Accepted"}])
        await site.published(ResetAccepted)
        await eventually(lambda: _is(len(bridge.resets._under_way), 0))  # the ledger knows of it, too
        await charger.send([3, message_id, {"status": "Rejected"}])
        await charger.send([4, message_id, "InternalError", "", {}])
        await quiet(charger)
        await eventually(lambda: _is(len(bridge.resets._under_way), 0))
    assert answers(site) == ["ResetSent", "ResetUnanswered", "ResetAccepted"]


async def test_an_answer_on_the_next_socket_is_told_with_both_epochs(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        bridge.resets.take(site.reset("garage-1", 1))
        message_id = (await charger.receive())[1]
        charger.abort()
    [told] = await site.published(ResetUnanswered)
    assert told.why == "session_ended"
    async with site.booted(bridge, "garage-1") as charger:
        await charger.send([3, message_id, {"status": "Accepted"}])
        [accepted] = await site.published(ResetAccepted)
        assert (accepted.epoch, accepted.answer_epoch) == (1, 2)


async def test_an_answer_on_the_next_socket_at_another_instance_is_told_too(site):
    one, two = await site.start("one"), await site.start("two")
    async with site.booted(one, "garage-1") as charger:
        one.resets.take(site.reset("garage-1", 1))
        message_id = (await charger.receive())[1]
        async with site.booted(two, "garage-1") as elsewhere:
            await elsewhere.send([3, message_id, {"status": "Accepted"}])
            [accepted] = await site.published(ResetAccepted)
            assert (accepted.epoch, accepted.answer_epoch) == (1, 2)
            await one.succession.look()
            await eventually(lambda: _is(len(one.resets._under_way), 0))
    assert answers(site) == ["ResetSent", "ResetAccepted"]


async def test_the_answer_of_another_charger_is_nobodys(site):
    bridge = await site.start(answer_timeout_s=0.2)
    async with site.booted(bridge, "garage-1") as charger, site.booted(bridge, "garage-2") as other:
        bridge.resets.take(site.reset("garage-1", 1))
        message_id = (await charger.receive())[1]
        await other.send([3, message_id, {"status": "Accepted"}])
        await quiet(other)
        await site.published(ResetUnanswered)
    assert answers(site) == ["ResetSent", "ResetUnanswered"]


async def test_calls_of_the_charger_are_answered_while_a_reset_is_unanswered(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        bridge.resets.take(site.reset("garage-1", 1))
        message_id = (await charger.receive())[1]
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Unavailable"}
        assert await charger.call("StatusNotification", status) == {}
        await charger.send([3, message_id, {"status": "Accepted"}])
        await site.published(ResetAccepted)


async def test_an_answer_is_read_while_a_call_waits_for_kafka(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        bridge.resets.take(site.reset("garage-1", 1))
        message_id = (await charger.receive())[1]
        site.publisher.holding.add("ocpp.observations.v1")
        await charger.send(
            [2, "s", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Faulted"}]
        )
        await charger.send([3, message_id, {"status": "Accepted"}])
        await site.published(ResetAccepted)
        site.publisher.release()


async def test_one_call_is_outstanding_at_a_time(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        first, second = site.reset("garage-1", 1), site.reset("garage-1", 1)
        bridge.resets.take(first)
        message_id = (await charger.receive())[1]
        bridge.resets.take(second)
        await quiet(charger)
        await charger.send([3, message_id, {"status": "Accepted"}])
        assert (await charger.receive())[1] == str(second.data.attempt_id)


async def test_the_ledger_is_committed_before_the_frame_is_written(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        await bridge._store.execute("alter table reset_ledger rename to away")
        command = site.reset("garage-1", 1)
        bridge.resets.take(command)
        await quiet(charger)
        assert answers(site) == []
        await bridge._store.execute("alter table away rename to reset_ledger")
        assert (await charger.receive())[1] == str(command.data.attempt_id)


async def test_a_ledger_that_stays_away_until_the_command_expires_means_that_nothing_is_sent(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        await bridge._store.execute("alter table reset_ledger rename to away")
        bridge.resets.take(site.reset("garage-1", 1, not_after=site.clock.now() + timedelta(seconds=0.2)))
        expired = site.clock.now() + timedelta(seconds=0.3)
        await eventually(lambda: _is(site.clock.now() > expired, True))
        await bridge._store.execute("alter table away rename to reset_ledger")
        [told] = await site.published(ResetNotDelivered)
        assert told.why == "expired"
        await quiet(charger)


async def test_a_crash_between_claim_and_answer_is_unanswered_and_never_a_second_frame(site):
    one = await site.start("one")
    command = site.reset("garage-1", 1)
    async with site.booted(one, "garage-1") as charger:
        one.resets.take(command)
        message_id = (await charger.receive())[1]
        await site.published(ResetSent)
        await site.vanish(one)
    assert answers(site) == ["ResetSent"]
    two = await site.start("one")
    [told] = await site.published(ResetUnanswered)
    assert (told.why, told.epoch, told.attempt_id) == ("bridge_lost", 1, command.data.attempt_id)
    async with site.booted(two, "garage-1") as charger:
        two.resets.take(command)  # it is read again: commands are read from a minute before the start on
        await eventually(lambda: _is(len(two.resets._under_way), 0))
        await quiet(charger)
        await charger.send([3, message_id, {"status": "Accepted"}])
        [accepted] = await site.published(ResetAccepted)
        assert accepted.answer_epoch == 2
    assert answers(site) == ["ResetSent", "ResetUnanswered", "ResetAccepted"]


async def test_a_crash_right_after_the_claim_is_unanswered_too(site):
    one = await site.start("one")
    command = site.reset("garage-1", 1)
    async with site.booted(one, "garage-1"):
        await site.published(ChargerConnected)
        connection = await asyncpg.connect(site.url)
        await connection.execute(
            "insert into ocpp_bridge.reset_ledger values ($1, 'garage-1', 1, 'm', $2, $3, now())",
            command.data.attempt_id,
            uuid4(),
            one.instance,
        )
        await connection.close()
        await site.vanish(one)
    two = await site.start("one")
    [told] = await site.published(ResetUnanswered)
    assert told.why == "bridge_lost"
    two.resets.take(command)
    await eventually(lambda: _is(len(two.resets._under_way), 0))
    assert answers(site) == ["ResetUnanswered"]


async def test_an_instance_whose_charger_was_taken_over_sends_nothing_on_the_old_socket(site):
    one, two = await site.start("one"), await site.start("two")
    async with site.booted(one, "garage-1") as old, site.booted(two, "garage-1") as new:
        command = site.reset("garage-1", 1)
        for bridge in (one, two):
            bridge.resets.take(command)
        [told] = await site.published(ResetNotDelivered)
        assert told.why == "other_session"
        await eventually(lambda: _is(len(one.resets._under_way), 0))
        await quiet(old)
        await quiet(new)
    assert answers(site) == ["ResetNotDelivered"]


async def test_an_instance_that_was_taken_for_dead_sends_nothing_even_before_it_knows(site):
    one = await site.start("one")
    async with site.booted(one, "garage-1") as charger:
        await site.published(ChargerConnected)
        await site.start("one")  # the same name: to it, the first is a process of the past
        one.resets.take(site.reset("garage-1", 1))
        await eventually(lambda: _is(len(one.resets._under_way), 0))
        await quiet(charger)
    assert answers(site) == []


async def test_a_claim_is_only_for_the_last_session_of_the_charger(site):
    bridge = await site.start()
    ledger, epochs = bridge.resets._ledger, bridge.connectivity._epochs
    first, second = await epochs.open("garage-1", "ocpp1.6"), await epochs.open("garage-1", "ocpp1.6")
    stale, fresh = (site.reset("garage-1", opened.epoch).data for opened in (first, second))
    assert not await ledger.claim(stale, "m1", uuid4())
    assert await ledger.claim(fresh, "m2", uuid4())


async def test_a_claim_whose_outcome_was_lost_may_be_asked_again_by_its_claimer_only(site):
    bridge = await site.start()
    ledger, epochs = bridge.resets._ledger, bridge.connectivity._epochs
    await epochs.open("garage-1", "ocpp1.6")
    command, mine = site.reset("garage-1", 1).data, uuid4()
    assert await ledger.claim(command, "m", mine)
    assert await ledger.claim(command, "m", mine)
    assert not await ledger.claim(command, "m", uuid4())


async def test_the_socket_is_pinged_from_the_reset_on_until_the_watch_ends(site):
    bridge = await site.start(watch_ping_interval_s=0.1)
    site.enroll("garage-1")
    async with site.connected(bridge, "garage-1", autoping=False) as charger:
        await charger.boot()
        bridge.resets.take(site.reset("garage-1", 1, watch_until=site.clock.now() + timedelta(seconds=60)))
        message_id = (await charger.receive())[1]
        assert (await charger.ws.receive(30)).type.name == "PING"
        await charger.send([3, message_id, {"status": "Accepted"}])
        await site.published(ResetAccepted)


async def test_a_stop_while_kafka_is_away_ends_all_the_same(site):
    bridge = await site.start(stop_within_s=0.2)
    async with site.booted(bridge, "garage-1") as charger:
        site.publisher.failing.update({"ocpp.answers.v1", "ocpp.connectivity.v1"})
        bridge.resets.take(site.reset("garage-1", 1))
        assert (await charger.receive())[2] == "Reset"
        await asyncio.wait_for(site.stop(bridge), 60)
    site.publisher.failing.clear()
    await site.start("another")


async def test_answers_are_told_when_kafka_is_back(site):
    bridge = await site.start()
    async with site.booted(bridge, "garage-1") as charger:
        site.publisher.failing.add("ocpp.answers.v1")
        bridge.resets.take(site.reset("garage-1", 1))
        message_id = (await charger.receive())[1]
        await charger.send([3, message_id, {"status": "Accepted"}])
        await quiet(charger)
        assert answers(site) == []
        site.publisher.failing.clear()
        await site.published(ResetAccepted)
    assert answers(site) == ["ResetSent", "ResetAccepted"]
