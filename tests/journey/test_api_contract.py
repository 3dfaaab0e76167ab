"""The API of the running system, Kafka and chargers included: whatever it is asked, no answer is an error of ours."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from api_probe import CONFORMS, Probe
from running_system import PASSWORD

from ops.embedded.places import DataDir

EXAMPLES = 3
"""For each call, each person, and each of allowed and forbidden input."""


def no_error_of_ours(_context: Any, response: Any, _case: Any) -> bool | None:
    """503 says that something is away, as a charger may be; anything else above 499 is a defect."""
    assert response.status_code < 500 or response.status_code == 503, response.text
    return None


@pytest.fixture
async def group(system: Any) -> str:
    """A group of this test alone, since whatever can be changed about it will be."""
    name = f"probed-{uuid4().hex[:8]}"

    def make() -> None:
        with system.operator() as operator:
            operator.put(f"/api/v1/groups/{name}", {"name": "Probed"})
            operator.put_once_known(f"/api/v1/groups/{name}/plan", {"plan": "business"})
            operator.post("/api/v1/users", {"user_id": f"{name}-super", "name": "Sue", "password": PASSWORD})
            operator.put(f"/api/v1/groups/{name}/members/{name}-super", {"role": "super_administrator"})

    await asyncio.to_thread(make)
    return name


@pytest.mark.parametrize("who", ["operator", "super_administrator"])
async def test_whatever_the_running_system_is_asked_it_answers_as_its_document_says(
    system: Any, group: str, who: str
) -> None:
    async with system.charger("healthy", "ocpp2.0.1", group) as charger, system.person(f"{group}-super") as person:
        document = (await person.http.get("/api/v1/openapi.json")).text
        for example, ours in (("harbour", group), ("CP-0042", charger.identity)):
            document = document.replace(json.dumps(example), json.dumps(ours))
        username, password = f"{group}-super", PASSWORD
        if who == "operator":
            username, password = who, DataDir(system.data_dir).secret("operator-password")
        signed_in = await person.http.post("/api/v1/login", json={"username": username, "password": password})
        token = signed_in.json()["access_token"]
        probe = Probe(system.url, token, EXAMPLES, checks=[no_error_of_ours, *CONFORMS])
        sent = await probe.every_call(json.loads(document))
        assert sent > EXAMPLES * 50
