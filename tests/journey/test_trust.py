"""A new password over OCPP, from the API to the charger and back, through real Kafka, PostgreSQL and processes."""

import asyncio
import base64
from typing import Any

import aiohttp
import pytest

from chassis.testing import eventually
from ops.client import RefusedError

PASSWORD = b"sixteen-or-more-characters"


def rotate(system: Any, charger_id: str) -> str:
    with system.operator() as operator:
        try:
            answer = operator.post(f"/api/v1/chargers/{charger_id}/credentials", {"via": "ocpp"})
        except RefusedError as refused:
            if refused.status in {404, 409}:
                raise AssertionError("not all have heard yet of the charger, or that it is online") from refused
            raise
    assert answer["charger_id"] == charger_id
    return str(answer["password"])


async def status_with(system: Any, charger_id: str, password: bytes) -> int:
    """What a handshake is answered."""
    basic = base64.b64encode(charger_id.encode() + b":" + password).decode()
    headers = {"Authorization": f"Basic {basic}"}
    async with aiohttp.ClientSession() as client:
        try:
            async with client.ws_connect(f"{system.bridge}/{charger_id}", headers=headers, protocols=["ocpp1.6"]):
                return 101
        except aiohttp.WSServerHandshakeError as refused:
            return refused.status


@pytest.mark.parametrize("protocol", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
async def test_an_operator_rotates_a_password_over_ocpp_and_is_shown_it_once(system: Any, protocol: str) -> None:
    async with system.charger(protocol=protocol) as charger:
        shown = await eventually(lambda: asyncio.to_thread(rotate, system, charger.identity), within=60)

        def took_it() -> None:
            taken = charger.endpoint.password
            assert shown.encode() in (taken, taken.hex().encode())

        await eventually(took_it, within=60)
        await eventually(lambda: back_with_it(charger), within=60)
    assert await status_with(system, charger.identity, PASSWORD) == 401
    assert await status_with(system, charger.identity, shown.encode()) == 101
    logs = b"".join(path.read_bytes() for path in system.data_dir.rglob("*.log"))
    assert shown.encode() not in logs


async def test_who_is_refused_is_told_to_the_administrators_of_the_chargers_group(system: Any) -> None:
    async with system.charger() as charger, system.person() as administrator:
        assert [await status_with(system, charger.identity, b"wrong") for _ in range(12)][-1] == 429
        # Whoever fails in its name: at its own address the charger gets in.
        assert await status_with(system, charger.identity, PASSWORD) == 101
        path = f"/api/v1/chargers/{charger.identity}/security-events"

        async def told() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await administrator.http.get(path)).json()["items"]
            assert {each["why"] for each in found} == {"wrong_password", "too_many"}
            return found

        shown = await eventually(told, within=60)
        assert {each["address"] for each in shown} == {"127.0.0.1"}
        async with system.person("harbour-user") as member:
            assert (await member.http.get(path)).status_code == 403


def back_with_it(charger: Any) -> None:
    assert charger.facts.sockets_opened >= 2
    # Before it is known everywhere it is answered 404; its passwords are never refused.
    assert not [refused for refused in charger.facts.handshakes_refused if refused.status == 401]
    assert charger.is_registered
