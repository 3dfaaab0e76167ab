"""Each personality does what the field was seen to do."""

from time import monotonic

import pytest

from chassis.testing import eventually
from simulator import NAMED, PROTOCOLS, Charger
from simulator.testing import LittleServer

SOFT = {"type": "Soft"}
IMMEDIATE = {"type": "Immediate"}


async def reset(server: LittleServer, charger: Charger, payload: dict[str, object] | None = None) -> str:
    return await server.call("Reset", payload or (IMMEDIATE if charger.is_2 else SOFT))


async def answer(server: LittleServer, message_id: str) -> object:
    frame = (await server.answer_to(message_id)).frame
    return frame.payload or frame.error_code


async def sockets(server: LittleServer, count: int) -> None:
    await server.until(lambda: len(server.sockets) >= count)


def boots(server: LittleServer) -> list[int]:
    """Numbers of the sockets on which boots came."""
    return [seen.socket for seen in server.seen if seen.frame.action == "BootNotification"]


def statuses(server: LittleServer, connector: int = 1) -> list[str]:
    return [
        frame.payload["status"]
        for frame in server.calls("StatusNotification")
        if frame.payload["connectorId"] == connector
    ]


async def passes(charger: Charger, seconds: float) -> None:
    """Let the charger's own time pass, in which nothing must happen."""
    await charger.pause(seconds)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", sorted(NAMED))
async def test_everything_that_is_said_around_a_reset_is_valid_ocpp(name, protocol, server, start, violations):
    charger = await start(name, protocol, speed=500, connectors=2)
    await charger.start_transaction(1)
    await reset(server, charger)
    await eventually(lambda: _told_to_reset(charger))
    await passes(charger, 75)
    if NAMED[name].follows_schemas or (protocol == "ocpp1.6" and name != "null-fields"):
        assert violations(server, protocol) == []


def _told_to_reset(charger: Charger) -> None:
    assert len(charger.facts.resets) == 1


async def test_healthy_accepts_drops_without_a_close_frame_and_boots(server, start):
    charger = await start()
    began = monotonic()
    told = []
    charger.on_reset(lambda _, frame: told.append(frame.at))
    message_id = await reset(server, charger)
    assert await answer(server, message_id) == {"status": "Accepted"}
    await server.received("BootNotification", 2)
    after = monotonic() - began
    assert server.sockets[0].close_frame is False
    assert boots(server) == [1, 2]
    assert 15 / 50 <= after < 60
    assert charger.facts.restarts == 1
    assert [(seen.message_id, seen.kind) for seen in charger.facts.resets] == [(message_id, "Soft")]
    assert told == [charger.facts.resets[0].at]


async def test_healthy_ends_its_transaction_before_the_drop_and_stays_plugged_in(server, start):
    charger = await start()
    await charger.start_transaction(1)
    await reset(server, charger, {"type": "Hard"})
    await server.received("BootNotification", 2)
    await charger.ready()
    stop = next(seen for seen in server.seen if seen.frame.action == "StopTransaction")
    assert (stop.socket, stop.frame.payload["reason"]) == (1, "HardReset")
    assert statuses(server) == ["Available", "Preparing", "Charging", "Finishing", "Preparing"]


async def test_an_unanswered_stop_transaction_is_sent_again_after_the_boot_with_a_new_id(server, start):
    answers = [None, {}]
    server.responders["StopTransaction"] = lambda _: answers.pop(0)
    charger = await start()
    await charger.start_transaction(1)
    await reset(server, charger)
    again = await server.received("StopTransaction", 2)
    first = server.calls("StopTransaction")[0]
    assert again.message_id != first.message_id
    assert again.payload == first.payload
    assert boots(server) == [1, 2]


async def test_healthy_on_2_x_ends_its_transaction_with_immediate_reset(server, start):
    charger = await start(protocol="ocpp2.0.1")
    await charger.start_transaction(1)
    await reset(server, charger)
    await server.received("BootNotification", 2)
    ended = server.calls("TransactionEvent")[-1].payload
    assert (ended["eventType"], ended["triggerReason"]) == ("Ended", "ResetCommand")
    assert ended["transactionInfo"]["stoppedReason"] == "ImmediateReset"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("healthy", "PowerUp"),
        ("says-remote-reset", "RemoteReset"),
        ("says-watchdog", "Watchdog"),
        ("says-local-reset", "LocalReset"),
        ("says-no-reason", None),
    ],
)
async def test_the_boot_reason_is_the_personalitys(name, reason, server, start):
    charger = await start(name, "ocpp2.0.1")
    await reset(server, charger)
    assert (await server.received("BootNotification", 2)).payload.get("reason") == reason


async def test_fast_reports_unavailable_and_closes_without_a_code(server, start):
    charger = await start("fast")
    await reset(server, charger)
    await server.received("BootNotification", 2)
    await charger.ready()
    assert statuses(server) == ["Available", "Unavailable", "Available"]
    assert (server.sockets[0].close_frame, server.sockets[0].close_code) == (True, 0)


async def test_eager_status_sends_a_status_although_its_boot_is_not_answered(server, start):
    server.responders["BootNotification"] = lambda _: None
    charger = await start("eager-status", ready=False)
    await server.received("StatusNotification")
    assert server.actions() == ["BootNotification", "StatusNotification"]
    assert charger.facts.registration is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rejects", {"status": "Rejected"}),
        ("unsupported", "NotSupported"),
        ("not-implemented", "NotImplemented"),
        ("internal-error", "InternalError"),
        ("accepts-and-ignores", {"status": "Accepted"}),
    ],
)
async def test_a_charger_that_refuses_or_ignores_keeps_its_socket(name, expected, server, start):
    charger = await start(name)
    assert await answer(server, await reset(server, charger)) == expected
    await passes(charger, 30)
    await charger.send_heartbeat()
    assert (len(server.sockets), boots(server), charger.facts.restarts) == (1, [1], 0)


async def test_rejects_soft_restarts_when_told_hard(server, start):
    charger = await start("rejects-soft")
    assert await answer(server, await reset(server, charger)) == {"status": "Rejected"}
    await reset(server, charger, {"type": "Hard"})
    await server.received("BootNotification", 2)


async def test_ignores_silently_answers_everything_but_the_reset(server, start):
    charger = await start("ignores-silently")
    message_id = await reset(server, charger)
    assert "configurationKey" in await server.ask("GetConfiguration", {})
    await passes(charger, 30)
    assert [seen for seen in server.seen if seen.frame.message_id == message_id] == []


async def test_answers_too_late_hangs_before_it_answers(server, start):
    charger = await start("answers-too-late")
    began = monotonic()
    message_id = await reset(server, charger)
    await eventually(lambda: _told_to_reset(charger))
    await server.call("GetConfiguration", {})
    await answer(server, message_id)
    assert monotonic() - began >= 40 / 50
    await eventually(lambda: _read_after(charger, "GetConfiguration", began + 40 / 50))
    assert (len(server.sockets), charger.facts.restarts) == (1, 0)


def _read_after(charger: Charger, action: str, moment: float) -> None:
    read = [entry.at for entry in charger.facts.transcript if entry.direction == "received" and action in entry.text]
    assert len(read) == 1
    assert read[0] >= moment


async def test_reset_failure_is_reported_on_1_6_only(server, start):
    charger = await start("reset-failure")
    await reset(server, charger)
    await server.until(lambda: server.calls("StatusNotification")[-1].payload["errorCode"] == "ResetFailure")
    assert server.calls("StatusNotification")[-1].payload["connectorId"] == 0
    assert charger.facts.restarts == 0


async def test_reset_failure_is_silent_on_2_0_1(server, start):
    charger = await start("reset-failure", "ocpp2.0.1")
    before = len(server.calls())
    await reset(server, charger)
    await passes(charger, 35)
    assert len(server.calls()) == before


async def test_never_answers_but_restarts(server, start):
    charger = await start("never-answers-but-restarts")
    message_id = await reset(server, charger)
    await server.received("BootNotification", 2)
    await charger.ready()
    assert [seen for seen in server.seen if seen.frame.message_id == message_id] == []
    assert charger.facts.restarts == 1


async def test_answers_late_on_the_next_socket_after_the_boot(server, start):
    charger = await start("answers-late-on-next-socket")
    message_id = await reset(server, charger)
    await server.until(lambda: any(seen.frame.error_code == "GenericError" for seen in server.seen))
    answers = [seen for seen in server.seen if seen.frame.message_id == message_id]
    assert [(seen.socket, seen.frame.payload, seen.frame.error_code) for seen in answers] == [
        (2, {"status": "Accepted"}, ""),
        (2, None, "GenericError"),
    ]
    assert boots(server) == [1, 2]
    assert "Unavailable" in statuses(server)


async def test_stale_status_last(server, start):
    charger = await start("stale-status-last")
    await charger.start_transaction(1)
    await reset(server, charger)
    await server.until(lambda: statuses(server)[-1] == "Unavailable")
    second = [seen.frame.action for seen in server.seen if seen.socket == 2]
    assert second.index("BootNotification") < second.index("StopTransaction") < len(second) - 1


async def test_statuses_and_the_end_of_a_transaction_come_before_the_answer(server, start):
    charger = await start("statuses-before-answer", "ocpp2.0.1")
    await charger.start_transaction(1)
    message_id = await reset(server, charger)
    answered = await server.answer_to(message_id)
    before = [seen.frame.payload for seen in server.seen[: server.seen.index(answered)]]
    assert any(payload.get("eventType") == "Ended" for payload in before)
    assert before[-1]["connectorStatus"] == "Unavailable"


async def test_a_blip_comes_back_without_a_boot_and_never_restarted(server, start):
    charger = await start("blip")
    await reset(server, charger)
    await sockets(server, 2)
    await passes(charger, 10)
    assert (boots(server), charger.facts.restarts, charger.facts.sockets_opened) == ([1], 0, 2)


async def test_reconnects_at_once_without_a_boot_and_restarts_later(server, start):
    charger = await start("reconnects-then-restarts")
    message_id = await reset(server, charger)
    await server.received("BootNotification", 2)
    assert boots(server) == [1, 3]
    assert [seen for seen in server.seen if seen.frame.message_id == message_id] == []
    assert charger.facts.restarts == 1


async def test_never_returns_until_the_power_is_switched(server, start):
    charger = await start("never-returns")
    await reset(server, charger)
    await server.until(lambda: server.sockets[0].close_code is not None)
    await passes(charger, 100)
    assert (len(server.sockets), charger.facts.restarts) == (1, 0)
    await charger.power_cycle()
    await server.received("BootNotification", 2)
    assert charger.facts.restarts == 1


async def test_dies_silently_leaves_its_socket_open_and_answers_no_ping(server, start):
    charger = await start("dies-silently")
    await reset(server, charger)
    await eventually(lambda: _ended(charger))
    await server.newest().websocket.ping()
    await passes(charger, 50)
    assert server.sockets[0].close_code is None
    assert charger.connection is None


def _ended(charger: Charger) -> None:
    assert charger.facts.sockets_ended == 1


async def test_silent_death_boots_on_a_new_socket_while_the_old_is_open(server, start):
    charger = await start("silent-death")
    await reset(server, charger)
    await server.received("BootNotification", 2)
    assert boots(server) == [1, 2]
    assert [socket.close_code for socket in server.sockets] == [None, None]
    assert charger.facts.restarts == 1


async def test_a_boot_loop_boots_four_times(server, start):
    charger = await start("boot-loop")
    await reset(server, charger)
    await server.received("BootNotification", 5)
    await charger.ready()
    await passes(charger, 10)
    assert boots(server) == [1, 2, 3, 4, 5]
    assert charger.facts.restarts == 4


@pytest.mark.parametrize(
    ("name", "status"), [("comes-back-faulted", "Faulted"), ("comes-back-unavailable", "Unavailable")]
)
async def test_a_connector_comes_back_unwell(name, status, server, start):
    charger = await start(name)
    await reset(server, charger)
    await server.received("BootNotification", 2)
    await charger.ready()
    assert statuses(server) == ["Available", status]


async def test_goes_away_again_after_a_good_boot(server, start):
    charger = await start("goes-away-again")
    await reset(server, charger)
    await server.received("BootNotification", 2)
    await server.until(lambda: server.sockets[1].close_code is not None)
    await passes(charger, 60)
    assert len(server.sockets) == 2


async def test_repeats_boot_on_the_same_socket(server, start):
    charger = await start("repeats-boot")
    await reset(server, charger)
    await server.received("BootNotification", 3)
    assert boots(server) == [1, 2, 2]
    assert charger.facts.restarts == 1


async def test_dislikes_early_commands_and_restarts_at_each(server, start):
    charger = await start("dislikes-early-commands")
    await server.call("GetConfiguration", {})
    await server.received("BootNotification", 2)
    await charger.ready()
    await passes(charger, 20)
    assert "configurationKey" in await server.ask("GetConfiguration", {})
    assert charger.facts.restarts == 1


@pytest.mark.parametrize("name", ["healthy", "scheduled"])
async def test_on_idle_while_charging_is_scheduled_until_the_transaction_ends(name, server, start):
    charger = await start(name, "ocpp2.0.1")
    await charger.start_transaction(1)
    message_id = await reset(server, charger, {"type": "OnIdle"})
    assert await answer(server, message_id) == {"status": "Scheduled"}
    await passes(charger, 30)
    assert charger.facts.restarts == 0
    await charger.stop_transaction(1)
    boot = await server.received("BootNotification", 2)
    assert boot.payload["reason"] == ("ScheduledReset" if name == "scheduled" else "PowerUp")


async def test_never_stops_transaction(server, start):
    charger = await start("never-stops-transaction")
    await charger.start_transaction(1)
    await reset(server, charger, {"type": "Hard"})
    await server.received("BootNotification", 2)
    await charger.ready()
    assert server.calls("StopTransaction") == []
    assert statuses(server)[-2:] == ["Unavailable", "Preparing"]


async def test_stops_after_boot(server, start):
    charger = await start("stops-after-boot")
    await charger.start_transaction(1)
    await reset(server, charger, {"type": "Hard"})
    await server.received("StopTransaction")
    assert next(seen.socket for seen in server.seen if seen.frame.action == "StopTransaction") == 2


async def test_resumes_the_same_transaction(server, start):
    charger = await start("resumes-transaction")
    transaction = await charger.start_transaction(1)
    await reset(server, charger)
    await server.received("BootNotification", 2)
    await charger.ready()
    assert charger.connectors[1].transaction is transaction
    assert server.calls("StopTransaction") == []
    assert statuses(server)[-1] == "Charging"


async def test_a_second_transaction_starts_without_the_end_of_the_first(server, start):
    charger = await start("second-transaction")
    await charger.start_transaction(1)
    await reset(server, charger)
    await server.received("StartTransaction", 2)
    assert server.calls("StopTransaction") == []


async def test_an_evse_is_reset_alone_without_drop_or_boot(server, start):
    charger = await start("evse-only", "ocpp2.0.1", connectors=2)
    assert await answer(server, await reset(server, charger, {"type": "Immediate", "evseId": 2})) == {
        "status": "Accepted"
    }
    await server.received("StatusNotification", 4)
    seen = [(f.payload["evseId"], f.payload["connectorStatus"]) for f in server.calls("StatusNotification")[2:]]
    assert seen == [(2, "Unavailable"), (2, "Available")]
    assert (len(server.sockets), charger.facts.restarts, charger.facts.evse_restarts) == (1, 0, 1)


async def test_an_evse_alone_is_refused_by_a_charger_that_cannot(server, start):
    charger = await start("healthy", "ocpp2.0.1")
    message_id = await reset(server, charger, {"type": "Immediate", "evseId": 1})
    assert await answer(server, message_id) == {"status": "Rejected"}


async def test_security_events_are_sent_before_the_drop_and_after_the_boot(server, start):
    charger = await start("security-events")
    await reset(server, charger)
    await server.received("SecurityEventNotification", 2)
    events = [seen for seen in server.seen if seen.frame.action == "SecurityEventNotification"]
    assert [(seen.socket, seen.frame.payload["type"]) for seen in events] == [
        (1, "ResetOrReboot"),
        (2, "StartupOfTheDevice"),
    ]


async def test_a_charger_without_boot_notifications_really_restarts_all_the_same(server, start):
    charger = await start("no-boot-after-return")
    await reset(server, charger)
    await sockets(server, 2)
    await charger.ready()
    assert (boots(server), charger.facts.restarts) == ([1], 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_triggered_boot_comes_on_the_same_socket(protocol, server, start):
    charger = await start("triggered-boot", protocol)
    await reset(server, charger)
    assert await server.ask("TriggerMessage", {"requestedMessage": "BootNotification"}) == {"status": "Accepted"}
    await server.received("BootNotification", 2)
    assert (boots(server), charger.facts.restarts) == ([1, 1], 0)


async def test_a_boot_comes_on_the_same_socket_unasked(server, start):
    charger = await start("boots-on-same-socket")
    await reset(server, charger)
    await server.received("BootNotification", 2)
    assert (boots(server), charger.facts.restarts) == ([1, 1], 0)


async def test_a_second_reset_starts_the_timer_anew(server, start):
    charger = await start("second-reset-restarts-timer", speed=10)
    await reset(server, charger)
    await charger.pause(7.7)
    second = await reset(server, charger)
    assert await answer(server, second) == {"status": "Accepted"}
    await server.until(lambda: server.sockets[0].close_code is not None)
    first_seen, second_seen = charger.facts.resets
    assert monotonic() - first_seen.at >= 17.5 / 10
    assert monotonic() - second_seen.at >= 10 / 10
    await server.received("BootNotification", 2)
    assert charger.facts.restarts == 1


async def test_a_second_reset_to_a_healthy_charger_changes_nothing(server, start):
    charger = await start()
    await reset(server, charger)
    assert await answer(server, await reset(server, charger)) == {"status": "Accepted"}
    await server.received("BootNotification", 2)
    await charger.ready()
    await passes(charger, 30)
    assert (len(charger.facts.resets), charger.facts.restarts) == (2, 1)


async def test_two_resets_crash_a_charger_for_good(server, start):
    charger = await start("second-reset-crashes")
    await reset(server, charger)
    await reset(server, charger)
    await server.until(lambda: server.sockets[0].close_code is not None)
    await passes(charger, 60)
    assert (len(server.sockets), charger.facts.restarts) == (1, 0)


async def test_one_reset_does_not_crash_that_charger(server, start):
    charger = await start("second-reset-crashes")
    await reset(server, charger)
    await server.received("BootNotification", 2)
    assert charger.facts.restarts == 1
