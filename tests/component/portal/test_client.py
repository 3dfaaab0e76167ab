"""The Python client, as it is generated, against a running portal."""

from typing import Any
from uuid import UUID

import pytest
from comeback_client import AuthenticatedClient
from comeback_client.api.chargers import get_charger, list_chargers
from comeback_client.api.me import get_me
from comeback_client.api.restarts import cancel_restart, get_restart, list_restarts, request_restart
from comeback_client.models.attempt import Attempt
from comeback_client.models.charger import Charger
from comeback_client.models.problem import Problem
from comeback_client.models.restart_request import RestartRequest

from contracts.restart import Confidence, Health, Outcome, Status, Verdict


@pytest.fixture
async def client(world: Any) -> AuthenticatedClient:
    await world.seed()
    return AuthenticatedClient(base_url=world.url, token=world.token("administrator"))


async def test_a_restart_is_asked_for_followed_and_listed(world: Any, client: Any) -> None:
    async with client:
        charger = await get_charger.asyncio("CP-1", client=client)
        assert isinstance(charger, Charger)
        assert charger.restart.available

        asked = await request_restart.asyncio(
            "CP-1", client=client, body=RestartRequest(note="frozen"), idempotency_key="k-1"
        )
        again = await request_restart.asyncio(
            "CP-1", client=client, body=RestartRequest(note="frozen"), idempotency_key="k-1"
        )
        other = await request_restart.asyncio("CP-1", client=client, idempotency_key="k-1")
        assert isinstance(asked, Attempt)
        assert isinstance(again, Attempt)
        assert asked.attempt_id == again.attempt_id
        assert isinstance(other, Problem)
        assert other.errors[0].code == "idempotency_key_reused"

        verdict = Verdict(outcome=Outcome.RESTARTED, confidence=Confidence.PROVEN, health=Health.OK)
        await world.say(world.make.moved(UUID(str(asked.attempt_id)), 1, Status.RESTARTED, verdict=verdict))
        told = await get_restart.asyncio(asked.attempt_id, client=client)
        assert isinstance(told, Attempt)
        assert told.verdict.confidence == "proven"
        listed = await list_restarts.asyncio(client=client, mine=True, verdict=["restarted"])
        assert [line.attempt_id for line in listed.items] == [asked.attempt_id]

        late = await cancel_restart.asyncio(asked.attempt_id, client=client)
        assert isinstance(late, Problem)
        assert late.status == 409


async def test_lists_are_filtered_and_problems_are_told(client: Any) -> None:
    async with client:
        found = await list_chargers.asyncio(client=client, state=["available"], q="cp-1")
        assert [line.charger_id for line in found.items] == ["CP-1"]
        wrong = await list_chargers.asyncio(client=client, after="no-cursor")
        assert isinstance(wrong, Problem)
        assert wrong.errors[0].field == "query.after"
        missing = await get_charger.asyncio("CP-404", client=client)
        assert isinstance(missing, Problem)
        assert missing.status == 404


async def test_a_token_that_is_none_is_a_problem_too(world: Any) -> None:
    async with AuthenticatedClient(base_url=world.url, token="none") as client:
        answer = await get_me.asyncio(client=client)
    assert isinstance(answer, Problem)
    assert answer.status == 401
