"""What tests and demos can tell a running charger to do."""

import pytest

from simulator import Charger, Ending, Fleet
from simulator.console import obey

PROTOCOLS = ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")


def statuses(server) -> list[str]:
    return [frame.payload["status"] for frame in server.calls("StatusNotification")][2:]


async def test_a_transaction_on_1_6(server, start, violations):
    charger = await start()
    await charger.start_transaction(1, "TAG-7")
    await charger.stop_transaction(1)
    begun, ended = server.calls("StartTransaction")[0].payload, server.calls("StopTransaction")[0].payload
    assert (begun["idTag"], begun["connectorId"], ended["transactionId"], ended["reason"]) == ("TAG-7", 1, 1, "Local")
    assert statuses(server) == ["Preparing", "Charging", "Finishing", "Available"]
    assert violations(server, "ocpp1.6") == []


@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
async def test_a_transaction_on_2_x_counts_its_events(protocol, server, start, violations):
    charger = await start(protocol=protocol)
    await charger.start_transaction(1)
    await charger.sample_meters()
    await charger.stop_transaction(1)
    events = [frame.payload for frame in server.calls("TransactionEvent")]
    assert [(event["eventType"], event["seqNo"]) for event in events] == [("Started", 0), ("Updated", 1), ("Ended", 2)]
    assert len({event["transactionInfo"]["transactionId"] for event in events}) == 1
    assert violations(server, protocol) == []


async def test_meters_are_sampled_while_charging(server, start, violations):
    charger = await start()
    await server.ask("ChangeConfiguration", {"key": "MeterValueSampleInterval", "value": "1"})
    await charger.start_transaction(1)
    await server.received("MeterValues", 2)
    await charger.stop_transaction(1)
    assert violations(server, "ocpp1.6") == []


async def test_2_1_tells_its_availability_by_events(server, start):
    await start(protocol="ocpp2.1")
    event = server.calls("NotifyEvent")[0].payload["eventData"][0]
    assert (event["variable"], event["actualValue"]) == ({"name": "AvailabilityState"}, "Available")


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_fault_is_reported_and_cleared(protocol, server, start, violations):
    charger = await start(protocol=protocol)
    before = len(server.seen)
    await charger.set_faulted(1)
    await charger.clear_fault(1)
    told = [seen.raw for seen in server.seen[before:]]
    assert len(told) == 2
    assert "Faulted" in told[0]
    assert "Available" in told[1]
    assert violations(server, protocol) == []


async def test_a_pulled_network_cable_is_silent_and_plugging_it_in_brings_no_boot(server, start):
    charger = await start()
    await charger.unplug_network()
    await charger.pause(30)
    assert (len(server.sockets), server.sockets[0].close_code) == (1, None)
    charger.plug_network()
    await charger.ready()
    assert (len(server.sockets), charger.facts.boots_sent, charger.facts.restarts) == (2, 1, 0)


async def test_what_happens_without_network_is_told_afterwards(server, start):
    charger = await start()
    await charger.unplug_network(Ending.ABRUPT)
    await charger.start_transaction(1)
    assert charger.has_undelivered
    charger.plug_network()
    await charger.ready()
    assert len(server.calls("StartTransaction")) == 1
    assert not charger.has_undelivered


async def test_a_message_that_was_unanswered_when_its_socket_died_is_sent_again(server, start):
    answers = [None, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}]
    server.responders["StartTransaction"] = lambda _: answers.pop(0)
    charger = await start()
    starting = charger.run_in_background(_start(charger))
    first = await server.received("StartTransaction")
    await server.newest().websocket.close()
    again = await server.received("StartTransaction", 2)
    await charger.ready()
    await starting
    assert again.message_id != first.message_id
    assert again.payload == first.payload
    assert charger.connectors[1].transaction.number == 7


async def _start(charger: Charger) -> None:
    await charger.start_transaction(1)


@pytest.mark.parametrize("resume", [False, True])
async def test_a_power_cycle_ends_or_resumes_the_transaction(resume, server, start):
    charger = await start()
    await charger.start_transaction(1)
    await charger.power_cycle(away=2, resume=resume)
    await server.received("BootNotification", 2)
    await charger.ready()
    assert [frame.payload["reason"] for frame in server.calls("StopTransaction")] == ([] if resume else ["PowerLoss"])
    assert charger.facts.restarts == 1


async def test_a_power_cycle_forgets_a_reset_that_was_under_way(server, start):
    charger = await start()
    await server.call("Reset", {"type": "Soft"})
    await server.until(lambda: bool(charger.facts.resets))
    await charger.power_cycle(away=1)
    await server.received("BootNotification", 2)
    await charger.ready()
    await charger.pause(20)
    assert charger.facts.restarts == 1


async def test_a_malformed_frame_goes_out_as_it_is(server, start):
    charger = await start()
    await charger.send_raw("{not OCPP")
    await server.until(lambda: server.seen[-1].raw == "{not OCPP")


async def test_a_flood_waits_for_nothing(server, start):
    charger = await start()
    await charger.flood(500)
    await server.received("Heartbeat", 500)


async def test_a_call_that_is_refused_is_a_fact(server, start):
    charger = await start()
    server.responders["Heartbeat"] = lambda _: None
    beat = charger.run_in_background(charger.send_heartbeat())
    asked = await server.received("Heartbeat")
    await server.newest().websocket.send_str(f'[4, "{asked.message_id}", "SecurityError", "no", {{}}]')
    await beat
    assert [(one.action, one.code) for one in charger.facts.calls_refused] == [("Heartbeat", "SecurityError")]


@pytest.mark.parametrize(
    ("connector", "words"), [(7, "there is no connector 7"), (1, "connector 1 has a transaction already")]
)
async def test_impossible_transactions_are_refused_in_words(connector, words, server, start):
    charger = await start()
    await charger.start_transaction(1)
    with pytest.raises(ValueError, match=words):
        await charger.start_transaction(connector)


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ("CH-1 start 1 TAG", "StartTransaction"),
        ("CH-1 fault 1 GroundFailure", "StatusNotification"),
        ("CH-1 status 1 Reserved", "StatusNotification"),
        ("CH-1 firmware-status Downloading", "FirmwareStatusNotification"),
        ("CH-1 flood 3", "Heartbeat"),
    ],
)
async def test_console_lines_are_obeyed(line, action, server):
    async with Fleet([Charger("CH-1", server.url, speed=50)]) as fleet:
        await fleet["CH-1"].ready()
        before = server.actions().count(action)
        assert await obey(fleet, line) == f"{line}: done"
        await server.received(action, before + 1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "say: CHARGER COMMAND"),
        ("CH-1 dance", "unknown command 'dance'"),
        ("CH-9 start", "there is no charger 'CH-9'"),
        ("CH-1 start 9", "there is no connector 9"),
        ("CH-1 start one", "invalid literal"),
        ("CH-1 status", "missing"),
    ],
)
async def test_console_lines_that_make_no_sense_are_answered_in_words(line, said, server):
    async with Fleet([Charger("CH-1", server.url, speed=50)]) as fleet:
        await fleet["CH-1"].ready()
        assert said in await obey(fleet, line)
