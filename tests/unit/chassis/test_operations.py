"""Who is shown health and metrics: everyone, this machine, or those who reach a port of their own."""

from typing import Any

import httpx2
import pytest

from chassis.app import Service
from chassis.settings import ServiceSettings

PATHS = ("/health/live", "/health/ready", "/metrics")


def service(*, public: bool, **settings: Any) -> Service:
    return Service("probe", ServiceSettings(**settings), public=public)


async def statuses(app: Any, client: str = "127.0.0.1", **headers: str) -> set[int]:
    """What each of the addresses answers to this client."""
    transport = httpx2.ASGITransport(app=app, client=(client, 40_000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://probe", headers=headers) as http:
        return {(await http.get(path)).status_code == 404 for path in PATHS}


HIDDEN, SHOWN = {True}, {False}


@pytest.mark.parametrize(
    ("public", "client", "headers", "expected"),
    [
        (False, "203.0.113.9", {}, SHOWN),
        (True, "127.0.0.1", {}, SHOWN),
        (True, "::1", {}, SHOWN),
        (True, "203.0.113.9", {}, HIDDEN),
        (True, "10.0.0.9", {}, HIDDEN),
        (True, "127.0.0.1", {"x-forwarded-for": "203.0.113.9"}, HIDDEN),
        (True, "127.0.0.1", {"forwarded": "for=203.0.113.9"}, HIDDEN),
        (True, "127.0.0.1", {"via": "1.1 proxy"}, HIDDEN),
        (True, "no address", {}, HIDDEN),
    ],
)
async def test_a_public_port_shows_them_to_its_own_machine_only(
    public: bool, client: str, headers: dict[str, str], expected: set[bool]
) -> None:
    assert await statuses(service(public=public)._answer, client, **headers) == expected


@pytest.mark.parametrize("public", [True, False])
async def test_a_port_of_their_own_is_the_only_place_where_they_are(public: bool) -> None:
    made = service(public=public, operations_port=0)
    server = made.operations.server
    assert server is not None

    assert await statuses(made._answer) == HIDDEN
    await made.operations.start()
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as http:
            assert [(await http.get(path)).status_code for path in PATHS] == [200, 503, 200]
            other = await http.get("/api/v1/me")
            assert (other.status_code, other.headers["content-type"]) == (404, "application/problem+json")
    finally:
        await made.operations.stop()
