"""Bad input on the path of a restart gets a clear refusal, and nobody else is affected."""

import base64
import json
from uuid import uuid4

import aiohttp
import httpx2
import pytest
from aiokafka import AIOKafkaProducer
from running_system import HEARD_WITHIN_S, PASSWORD

from chassis.testing import eventually
from contracts import topics
from ops.embedded.places import DataDir
from simulator import Charger


def problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    told = answer.json()
    assert told["status"] == status
    assert told["title"]
    return told


async def test_malformed_json_is_refused_with_words(system):
    async with system.charger() as charger, system.person() as admin:
        answer = await admin.http.post(
            f"/api/v1/chargers/{charger.identity}/restarts",
            content=b'{"when": ',
            headers={"content-type": "application/json"},
        )
        assert answer.status_code in (400, 422)
        assert "JSON" in answer.text
        assert charger.facts.resets == []


async def test_a_wrong_field_is_named(system):
    async with system.charger() as charger, system.person() as admin:
        await admin.available(charger.identity)
        answer = await admin.http.post(f"/api/v1/chargers/{charger.identity}/restarts", json={"when": "yesterday"})
        told = problem(answer, 422)
        assert "when" in json.dumps(told["errors"])


async def test_an_unknown_charger_is_not_found(system):
    async with system.person() as admin:
        problem(await admin.http.post("/api/v1/chargers/NOBODY/restarts", json={"when": "now"}), 404)


async def test_a_charger_of_another_group_looks_like_an_unknown_one(system):
    async with system.charger(group="depot") as charger, system.person() as admin:
        ours = problem(await admin.http.get(f"/api/v1/chargers/{charger.identity}"), 404)
        nobody = problem(await admin.http.get("/api/v1/chargers/NOBODY"), 404)
        assert ours["title"] == nobody["title"]


async def test_a_wrong_password_does_not_log_in(system):
    async with httpx2.AsyncClient(base_url=system.url, timeout=60) as http:
        answer = await http.post("/api/v1/login", json={"username": "harbour-admin", "password": "a wrong one"})
        problem(answer, 401)


def expired(token):
    """The same token with another expiry: its signature no longer fits."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    claims["exp"] = 1
    again = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{head}.{again}.{signature}"


@pytest.mark.parametrize(
    "spoil", [lambda _: "x", lambda _: "not-a-token", expired], ids=["short", "garbage", "altered"]
)
async def test_a_bad_token_is_refused(system, spoil):
    async with system.person() as admin:
        token = admin.http.headers["Authorization"].removeprefix("Bearer ")
        admin.http.headers["Authorization"] = f"Bearer {spoil(token)}"
        problem(await admin.http.get("/api/v1/chargers"), 401)


async def test_without_a_token_nothing_is_shown(system):
    async with httpx2.AsyncClient(base_url=system.url, timeout=60) as http:
        problem(await http.get("/api/v1/chargers"), 401)


async def test_a_charger_with_a_wrong_password_is_turned_away_and_others_are_not(system):
    charger_id = await system.add_charger()
    stranger = Charger(charger_id, system.bridge, "a-wrong-password-of-length", speed=20)
    async with system.charger() as neighbour, stranger:

        async def refused():
            assert 401 in {each.status for each in stranger.facts.handshakes_refused}

        await eventually(refused, within=HEARD_WITHIN_S)
        assert stranger.facts.sockets_opened == 0
        assert neighbour.is_registered


async def test_an_unknown_charger_is_turned_away(system):
    stranger = Charger(f"NOBODY-{uuid4().hex[:6]}", system.bridge, PASSWORD, speed=20)
    async with stranger:

        async def refused():
            assert 404 in {each.status for each in stranger.facts.handshakes_refused}

        await eventually(refused, within=HEARD_WITHIN_S)


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1"])
async def test_a_frame_of_five_megabytes_is_refused_and_the_charger_can_still_be_restarted(system, protocol):
    async with system.charger(protocol=protocol) as charger, system.person() as admin:
        await admin.available(charger.identity)
        sockets = charger.facts.sockets_opened
        huge = json.dumps([2, "huge-1", "DataTransfer", {"vendorId": "x", "data": "x" * 5_000_000}])
        await charger.send_raw(huge)

        async def answered():
            told = [entry.text for entry in charger.facts.transcript if entry.direction == "received"]
            assert any("huge-1" in text and text.startswith("[4") for text in told)

        await eventually(answered, within=HEARD_WITHIN_S)
        assert charger.facts.sockets_opened == sockets
        assert (await admin.restart(charger.identity))["verdict"]["verdict"] == "restarted"


async def test_frames_that_are_not_ocpp_do_not_end_the_session(system):
    async with system.charger() as charger, system.person() as admin:
        await admin.available(charger.identity)
        sockets = charger.facts.sockets_opened
        for frame in (
            "{",
            "[]",
            '[2, "m1", "NoSuchAction", {}]',
            '[2, "m2", "StatusNotification", {"connectorId": "x"}]',
        ):
            await charger.send_raw(frame)

        async def answered():
            told = "".join(entry.text for entry in charger.facts.transcript if entry.direction == "received")
            assert "NotImplemented" in told
            assert '"m2"' in told

        await eventually(answered, within=HEARD_WITHIN_S)
        assert charger.facts.sockets_opened == sockets
        assert (await admin.restart(charger.identity))["verdict"]["verdict"] == "restarted"


async def test_events_of_an_unknown_version_and_undecodable_records_stop_nobody(system):
    """Written as the services' own principals would, to every topic that the orchestrator reads."""
    place = DataDir(system.data_dir)
    producer = AIOKafkaProducer(
        bootstrap_servers=system.state.kafka.bootstrap,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username="admin",
        sasl_plain_password=place.secret("kafka-admin"),
    )
    async with system.charger() as charger, system.person() as admin:
        await admin.available(charger.identity)
        key = charger.identity.encode()
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", str(uuid4()).encode()),
            ("ce_source", b"/services/portal"),
            ("ce_time", b"2026-01-01T00:00:00+00:00"),
        ]
        await producer.start()
        try:
            for topic in topics.ALL:
                if topics.Service.RESTART_ORCHESTRATOR in topic.readers or topics.Service.PORTAL in topic.readers:
                    await producer.send_and_wait(
                        topic.name, b"{}", key=key, headers=[*headers, ("ce_type", b"restart.request-restart.v9")]
                    )
                    await producer.send_and_wait(topic.name, b"\xff not an event", key=key)
        finally:
            await producer.stop()
        assert (await admin.restart(charger.identity))["verdict"]["verdict"] == "restarted"

        async def counted():
            pages = ""
            async with aiohttp.ClientSession() as http:
                for process in system.state.processes:
                    if process.name == "restart-orchestrator":
                        async with http.get(f"{process.url}/metrics") as response:
                            pages += await response.text()
            lines = [line for line in pages.splitlines() if line.startswith("comeback_") and not line.endswith(" 0.0")]
            assert any("unknown" in line for line in lines)
            assert any("dead_letter" in line for line in lines)

        await eventually(counted, within=HEARD_WITHIN_S)
