"""Problems, limits, operations routes and who is asking."""

import json
from typing import Annotated

import pytest
from fastapi import Query
from httpx2 import ASGITransport, AsyncClient
from prometheus_client import CollectorRegistry, Counter
from pydantic import BaseModel

from chassis.health import Health
from chassis.http import CurrentPerson, Operator, Problem, create_http
from chassis.testing import FakeClock
from chassis.tokens import InvalidToken, KeyRing, Person
from chassis.trace import current_span


class Body(BaseModel):
    name: str
    size: int


class OneToken(KeyRing):
    def verify(self, token):
        if token != "good":
            raise InvalidToken("the token has expired: sign in again")
        return Person("ada", "The administrator", operator=False, expires_at=FakeClock().now())


@pytest.fixture
def health():
    return Health()


@pytest.fixture
def app(health):
    registry = CollectorRegistry()
    Counter("things", "Things.", registry=registry).inc()
    app = create_http("Test", health=health, registry=registry, max_body_bytes=100, keyring=OneToken())

    @app.post("/things")
    async def make(body: Body, limit: Annotated[int, Query()] = 1):
        return {"name": body.name, "limit": limit}

    @app.get("/broken")
    async def broken():
        raise LookupError("a secret place")

    @app.get("/taken")
    async def taken():
        raise Problem(409, "There is one already", type="https://example.test/taken", attempt_id="a1")

    @app.get("/me")
    async def me(person: CurrentPerson):
        return {"user_id": person.user_id}

    @app.get("/operators")
    async def operators(person: Operator):
        return {}

    @app.get("/trace")
    async def trace():
        return {"trace_id": current_span().trace_id}

    return app


@pytest.fixture
async def client(app):
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        yield client


async def test_invalid_input_is_a_problem_that_names_the_fields(client):
    answer = await client.post("/things?limit=x", json={"name": 5})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["status"], body["instance"]) == ("about:blank", 422, "/things")
    assert {problem["field"] for problem in body["errors"]} == {"query.limit", "body.name", "body.size"}
    assert all(problem["detail"] for problem in body["errors"])


async def test_a_problem_keeps_its_type_and_its_further_members(client):
    answer = await client.get("/taken")
    assert answer.status_code == 409
    assert answer.json() == {
        "type": "https://example.test/taken",
        "title": "Conflict",
        "status": 409,
        "detail": "There is one already",
        "instance": "/taken",
        "attempt_id": "a1",
    }


async def test_an_error_in_our_code_tells_the_client_nothing_but_an_id(client):
    answer = await client.get("/broken", headers={"x-request-id": "r-17"})
    assert answer.status_code == 500
    assert answer.json()["request_id"] == "r-17"
    assert "secret" not in answer.text
    assert "LookupError" not in answer.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("DELETE", "/things", 405)])
async def test_what_the_router_refuses_is_a_problem_too(client, method, path, status):
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


async def test_a_body_that_announces_to_be_too_large_is_refused(client):
    answer = await client.post("/things", json={"name": "x" * 200, "size": 1})
    assert answer.status_code == 413
    assert answer.json()["detail"] == "The body has more than 100 bytes"


async def test_a_body_that_turns_out_too_large_is_refused(client):
    async def chunks():
        for _ in range(10):
            yield b"x" * 30

    answer = await client.post("/things", content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


async def test_every_answer_has_a_request_id_and_a_clients_own_is_kept_if_it_is_harmless(client):
    assert (await client.get("/trace")).headers["x-request-id"]
    assert (await client.get("/trace", headers={"x-request-id": "mine"})).headers["x-request-id"] == "mine"
    assert (await client.get("/trace", headers={"x-request-id": "x" * 200})).headers["x-request-id"] != "x" * 200


async def test_a_request_continues_the_callers_trace(client):
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert (await client.get("/trace", headers={"traceparent": parent})).json() == {
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"
    }


async def test_health_answers_503_with_reasons(client, health):
    assert (await client.get("/health/ready")).status_code == 200
    assert (await client.get("/health/live")).status_code == 200
    health.add_ready("kafka", lambda: "it is away")
    health.add_live("consumer", lambda: "it is deaf")
    ready = await client.get("/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"ready": False, "reasons": {"kafka": "it is away"}})
    live = await client.get("/health/live")
    assert (live.status_code, live.json()) == (503, {"live": False, "reasons": {"consumer": "it is deaf"}})


async def test_metrics_are_served_in_prometheus_text(client):
    answer = await client.get("/metrics")
    assert "things_total 1.0" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")


async def test_operations_routes_are_not_part_of_the_api(client):
    paths = json.loads((await client.get("/openapi.json")).text)["paths"]
    assert not [path for path in paths if path.startswith(("/health", "/metrics"))]


@pytest.mark.parametrize("header", [None, "Basic good", "Bearer ", "Bearer bad", "good"])
async def test_who_does_not_sign_in_is_answered_401_and_how(client, header):
    answer = await client.get("/me", headers={"authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["detail"]


async def test_who_signs_in_is_known_and_only_operators_may_operate(client):
    good = {"authorization": "bearer good"}
    assert (await client.get("/me", headers=good)).json() == {"user_id": "ada"}
    assert (await client.get("/operators", headers=good)).status_code == 403
