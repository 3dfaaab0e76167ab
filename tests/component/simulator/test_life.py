"""Connecting, registering, beating, reconnecting."""

import re

from aiohttp import ClientSession

from chassis.testing import eventually
from simulator import Charger, Fleet
from simulator.frames import timestamp
from simulator.testing import LittleServer


async def test_a_charger_boots_and_then_reports_its_connectors(server, start):
    charger = await start(connectors=2, vendor="Vendor", model="Model", firmware="9.9")
    assert server.actions() == ["BootNotification"] + ["StatusNotification"] * 3
    assert server.calls("BootNotification")[0].payload == {
        "chargePointVendor": "Vendor",
        "chargePointModel": "Model",
        "chargePointSerialNumber": "SN-CH-1",
        "firmwareVersion": "9.9",
    }
    assert [frame.payload["connectorId"] for frame in server.calls("StatusNotification")] == [0, 1, 2]
    assert (charger.facts.boots_sent, charger.facts.boots_accepted, charger.facts.restarts) == (1, 1, 0)


async def test_a_boot_on_2_x_says_why(server, start):
    await start(protocol="ocpp2.0.1")
    assert server.calls("BootNotification")[0].payload["reason"] == "PowerUp"


async def test_timestamps_have_fractional_seconds_and_message_ids_fit(server, start):
    await start()
    for frame in server.calls("StatusNotification"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", frame.payload["timestamp"])
    ids = [frame.message_id for frame in server.calls()]
    assert len(set(ids)) == len(ids)
    assert all(len(message_id) <= 36 for message_id in ids)


async def test_heartbeats_come_at_the_interval_that_the_server_gave(server, start):
    answer = {"status": "Accepted", "currentTime": timestamp(), "interval": 1}
    server.responders["BootNotification"] = lambda _: answer
    charger = await start()
    await server.received("Heartbeat", 3)
    assert charger.facts.heartbeats_sent >= 3


async def test_a_server_that_leaves_a_heartbeat_unanswered_is_connected_to_anew(server, start):
    server.responders["Heartbeat"] = lambda _: None
    charger = await start()
    charger.answer_timeout = 0.05
    await charger.send_heartbeat()
    charger.answer_timeout = 60.0
    await server.until(lambda: len(server.sockets) == 2)
    assert charger.facts.unanswered == 1


async def test_a_pending_charger_asks_again_and_says_nothing_else(server, start):
    answers = ["Pending", "Rejected", "Accepted"]
    server.responders["BootNotification"] = lambda _: {
        "status": answers.pop(0),
        "currentTime": timestamp(),
        "interval": 5,
    }
    charger = await start()
    assert server.actions()[:4] == ["BootNotification"] * 3 + ["StatusNotification"]
    assert charger.facts.registration == "Accepted"
    assert charger.facts.boots_sent == 3
    assert charger.facts.sockets_opened == 1


async def test_a_pending_charger_boots_at_once_when_triggered(server, start):
    server.responders["BootNotification"] = lambda _: {
        "status": "Pending",
        "currentTime": timestamp(),
        "interval": 86400,
    }
    await start(protocol="ocpp2.0.1", ready=False)
    await server.received("BootNotification")
    assert await server.ask("TriggerMessage", {"requestedMessage": "BootNotification"}) == {"status": "Accepted"}
    assert (await server.received("BootNotification", 2)).payload["reason"] == "Triggered"


async def test_a_rejected_charger_answers_calls_with_a_security_error(server, start):
    server.responders["BootNotification"] = lambda _: {
        "status": "Rejected",
        "currentTime": timestamp(),
        "interval": 86400,
    }
    charger = await start(ready=False)
    await eventually(lambda: _registration_is(charger, "Rejected"))
    assert await server.ask("GetConfiguration", {}) == "SecurityError"


def _registration_is(charger: Charger, status: str) -> None:
    assert charger.facts.registration == status


async def test_a_boot_left_unanswered_is_sent_again_with_a_new_id(server, start):
    answers = [None]
    accepted = {"status": "Accepted", "currentTime": timestamp(), "interval": 300}
    server.responders["BootNotification"] = lambda _: answers.pop() if answers else accepted
    charger = await start(answer_timeout=0.1, ready=False)
    await server.received("BootNotification")
    charger.answer_timeout = 60.0
    await charger.ready()
    first, second = server.calls("BootNotification")
    assert first.message_id != second.message_id


async def test_a_lost_network_brings_a_new_socket_and_no_boot(server, start):
    charger = await start()
    await server.newest().websocket.close()
    await server.until(lambda: len(server.sockets) == 2)
    await charger.ready()
    assert charger.facts.boots_sent == 1
    assert charger.facts.sockets_ended == 1


async def test_a_wrong_password_is_seen_and_tried_again(server, start):
    server.passwords = {"CH-1": b"right"}
    charger = await start(password="wrong", ready=False)
    await eventually(lambda: _refused_twice(charger))
    assert {refused.status for refused in charger.facts.handshakes_refused} == {401}
    charger.endpoint.password = b"right"
    await charger.ready()


def _refused_twice(charger: Charger) -> None:
    assert len(charger.facts.handshakes_refused) >= 2


async def test_a_server_that_is_away_is_found_when_it_returns(start):
    async with LittleServer() as gone:
        url = gone.url
    async with Charger("CH-1", url, speed=200) as charger:
        await eventually(lambda: _refused_twice(charger))
    assert {refused.status for refused in charger.facts.handshakes_refused} == {None}


async def test_a_server_that_chooses_no_subprotocol_is_left(server, start):
    server.choose_subprotocol = False
    charger = await start(ready=False)
    await eventually(lambda: _refused_twice(charger))
    assert {refused.status for refused in charger.facts.handshakes_refused} == {101}
    assert server.calls() == []


async def test_stopping_closes_the_socket_with_code_1000(server, start):
    charger = await start()
    await charger.stop()
    await server.until(lambda: server.sockets[0].close_code is not None)
    assert (server.sockets[0].close_frame, server.sockets[0].close_code) == (True, 1000)


async def test_many_chargers_share_a_session_and_all_boot(server):
    chargers = [Charger(f"CH-{number}", server.url, transcript_limit=0) for number in range(300)]
    async with Fleet(chargers) as fleet:
        await fleet.booted()
    assert {socket.identity for socket in server.sockets} == {charger.identity for charger in chargers}
    assert all(charger.facts.sockets_opened == 1 and not charger.facts.transcript for charger in chargers)


async def test_a_session_that_was_handed_in_stays_open(server):
    async with ClientSession() as session:
        charger = Charger("CH-1", server.url)
        charger.start(session)
        await charger.booted()
        await charger.stop()
        assert not session.closed
