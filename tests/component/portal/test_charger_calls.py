"""Operators' OCPP calls over HTTP: passed on through Kafka, answered when the charger did, or at once when it can't."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from joserfc import jwe
from joserfc.jwk import ECKey
from prometheus_client import CollectorRegistry

from chassis.clock import SystemClock
from chassis.health import Health
from chassis.http import create_http
from chassis.testing import eventually
from chassis.tokens import KeyRing
from contracts.calls import CallAnswered, CallCharger, CallFailed, PasswordRotated, RotatePassword
from contracts.envelope import Envelope, Message
from contracts.ocpp import ChargerDisconnected
from portal import charger_calls_api
from portal.charger_calls import STATUSES, ChargerCalls

from .conftest import KEY, RecordingPublisher, World, now

PATH = "/api/v1/chargers/CP-1/ocpp-calls"
CALL = {"action": "GetConfiguration", "payload": {"key": ["HeartbeatInterval"]}}


@dataclass
class Edge:
    """The portal's part for operators, with the bridge's part in the test's hands."""

    world: World
    calls: ChargerCalls
    publisher: RecordingPublisher
    http: httpx2.AsyncClient

    def as_operator(self) -> dict[str, str]:
        return self.world.bearer("alex", operator=True)

    def say(self, message: Message) -> None:
        self.calls.take(Envelope(uuid4(), "/services/test", now(), message))

    async def asked(self, kind: type) -> Any:
        def found() -> Any:
            asked = [said for said in self.publisher.messages if isinstance(said, kind)]
            assert asked
            return asked[-1]

        return await eventually(found)

    def post(self, body: dict[str, Any], path: str = PATH, **headers: str) -> "asyncio.Task[httpx2.Response]":
        return asyncio.create_task(self.http.post(path, json=body, headers=headers or self.as_operator()))


@pytest.fixture
async def edge(world: World) -> AsyncIterator[Edge]:
    await world.seed()
    publisher = RecordingPublisher()
    calls = ChargerCalls(world.database, publisher, SystemClock())
    keyring = KeyRing()
    keyring.add("test", "ES256", {name: str(value) for name, value in KEY.as_dict(private=False).items()})
    app = create_http("test", health=Health(), registry=CollectorRegistry(), keyring=keyring)
    app.state.charger_calls = calls
    app.state.portal = world.context
    app.include_router(charger_calls_api.router)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://portal") as http:
        yield Edge(world, calls, publisher, http)


async def test_the_answer_comes_when_the_charger_has_answered(edge):
    answering = edge.post(CALL)
    asked = await edge.asked(CallCharger)
    assert (asked.charger_id, asked.action, asked.payload, asked.asked_by) == (
        "CP-1",
        CALL["action"],
        CALL["payload"],
        "alex",
    )
    payload = {"configurationKey": []}
    edge.say(CallAnswered(charger_id="CP-1", call_id=uuid4(), answered_at=now(), payload={"of": "another"}))
    edge.say(CallAnswered(charger_id="CP-1", call_id=asked.call_id, answered_at=now(), payload=payload))
    answer = await answering
    assert answer.status_code == 200, answer.text
    assert answer.json()["payload"] == payload
    assert answer.json()["call_id"] == str(asked.call_id)


@pytest.mark.parametrize("why", STATUSES)
async def test_each_failure_has_its_status_and_says_why(edge, why):
    answering = edge.post(CALL)
    asked = await edge.asked(CallCharger)
    failed = CallFailed(charger_id="CP-1", call_id=asked.call_id, why=why, detail="it is so", code="X", description="y")
    edge.say(failed)
    answer = await answering
    assert answer.status_code == STATUSES[why][0]
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["why"], body["code"], body["detail"]) == (why, "X", "It is so (X: y)")


async def test_only_operators_of_the_system_may_call_a_charger(edge):
    refused = await edge.post(CALL, authorization=edge.world.bearer("administrator")["authorization"])
    assert refused.status_code == 403
    nobody = await edge.http.post(PATH, json=CALL)
    assert nobody.status_code == 401
    assert edge.publisher.messages == []


async def test_nothing_is_asked_of_a_charger_that_is_offline_or_unknown(edge):
    await edge.world.say(
        ChargerDisconnected(charger_id="CP-1", epoch=1, bridge="b1", since=now(), why="lost"),
    )
    offline = await edge.post(CALL)
    assert (offline.status_code, offline.json()["why"]) == (409, "not_connected")
    unknown = await edge.post(CALL, "/api/v1/chargers/CP-9/ocpp-calls")
    assert unknown.status_code == 404
    assert edge.publisher.messages == []


async def test_a_call_ends_soon_when_its_session_does_even_if_the_bridge_died_with_it(edge):
    answering = edge.post(CALL | {"timeout_s": 100})
    await edge.asked(CallCharger)
    edge.say(ChargerDisconnected(charger_id="CP-1", epoch=0, bridge="b1", since=now(), why="replaced"))  # old news
    edge.say(ChargerDisconnected(charger_id="CP-1", epoch=1, bridge="b1", since=now(), why="bridge_lost"))
    answer = await asyncio.wait_for(answering, 50)
    assert (answer.status_code, answer.json()["why"]) == (502, "session_ended")


async def test_the_bridge_has_the_last_word_about_a_session_that_ends(edge):
    answering = edge.post(CALL)
    asked = await edge.asked(CallCharger)
    edge.say(ChargerDisconnected(charger_id="CP-1", epoch=1, bridge="b1", since=now(), why="lost"))
    edge.say(CallAnswered(charger_id="CP-1", call_id=asked.call_id, answered_at=now(), payload={"status": "Accepted"}))
    assert (await answering).status_code == 200


async def test_kafka_away_is_503(edge):
    edge.publisher.down = True
    assert (await edge.post(CALL)).status_code == 503


async def test_a_body_that_is_no_call_is_422(edge):
    for body in ({}, {"action": ""}, {"action": "A", "payload": []}, CALL | {"timeout_s": 1000}):
        assert (await edge.post(body)).status_code == 422


async def test_a_password_rotated_over_ocpp_is_opened_with_a_key_that_never_left(edge):
    answering = edge.post({"via": "ocpp"}, "/api/v1/chargers/CP-1/credentials")
    asked = await edge.asked(RotatePassword)
    assert "d" not in asked.reply_key
    header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}
    sealed = jwe.encrypt_compact(header, b"new-password-of-the-charger", ECKey.import_key(dict(asked.reply_key)))
    edge.say(PasswordRotated(charger_id="CP-1", call_id=asked.call_id, sealed_password=sealed))
    answer = await answering
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"charger_id": "CP-1", "password": "new-password-of-the-charger"}
    assert answer.headers["cache-control"] == "no-store"


async def test_a_charger_that_refuses_its_new_password_keeps_the_old_one(edge):
    answering = edge.post({"via": "ocpp"}, "/api/v1/chargers/CP-1/credentials")
    asked = await edge.asked(RotatePassword)
    edge.say(CallFailed(charger_id="CP-1", call_id=asked.call_id, why="refused_by_charger", detail="Rejected"))
    assert (await answering).status_code == 409


async def test_only_operators_rotate_passwords_over_ocpp(edge):
    token = edge.world.bearer("administrator")["authorization"]
    refused = await edge.post({"via": "ocpp"}, "/api/v1/chargers/CP-1/credentials", authorization=token)
    assert refused.status_code == 403
    wrong = await edge.post({"via": "post"}, "/api/v1/chargers/CP-1/credentials")
    assert wrong.status_code == 422
    assert edge.publisher.messages == []
