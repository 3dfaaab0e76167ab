"""Passing calls on to the services that own them: auth, billing and fleet, behind the same edge."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx2
from fastapi import APIRouter, Request, Response

from chassis.http import Problem
from chassis.tokens import InvalidToken
from chassis.trace import current_traceparent
from portal.people import token_of, who_is
from portal.settings import PortalSettings

_REQUEST_HEADERS = ("accept", "content-type", "idempotency-key", "if-match", "if-none-match")
_RESPONSE_HEADERS = ("content-type", "etag", "location", "retry-after", "www-authenticate", "cache-control")


@dataclass(frozen=True, slots=True)
class Call:
    """One forwarded call: to which service, which method and path, and the operation's name in the API.

    What it takes and answers is described by the service that owns it; `forwarded.json` repeats that.
    """

    service: str
    method: str
    path: str
    name: str


CALLS = (
    Call("auth", "POST", "/api/v1/login", "sign_in"),
    Call("auth", "PUT", "/api/v1/me/language", "choose_language"),
    Call("auth", "GET", "/api/v1/groups", "list_groups"),
    Call("auth", "PUT", "/api/v1/groups/{group_id}", "define_group"),
    Call("auth", "GET", "/api/v1/users", "list_users"),
    Call("auth", "POST", "/api/v1/users", "add_user"),
    Call("auth", "GET", "/api/v1/groups/{group_id}/members", "list_members"),
    Call("auth", "PUT", "/api/v1/groups/{group_id}/members/{user_id}", "grant_role"),
    Call("auth", "DELETE", "/api/v1/groups/{group_id}/members/{user_id}", "end_membership"),
    Call("billing", "GET", "/api/v1/plans", "list_plans"),
    Call("billing", "GET", "/api/v1/groups/{group_id}/plan", "get_plan"),
    Call("billing", "PUT", "/api/v1/groups/{group_id}/plan", "set_plan"),
    Call("fleet", "GET", "/api/v1/models", "list_models"),
    Call("fleet", "GET", "/api/v1/fleet/chargers", "list_registered_chargers"),
    Call("fleet", "GET", "/api/v1/fleet/chargers/{charger_id}", "get_registered_charger"),
    Call("fleet", "GET", "/api/v1/groups/{group_id}/restart-policy", "get_restart_policy"),
    Call("fleet", "PUT", "/api/v1/groups/{group_id}/restart-policy", "set_restart_policy"),
    Call("fleet", "POST", "/api/v1/chargers:import", "import_chargers"),
    Call("fleet", "PUT", "/api/v1/chargers/{charger_id}", "register_charger"),
    Call("fleet", "DELETE", "/api/v1/chargers/{charger_id}", "remove_charger"),
    Call("fleet", "POST", "/api/v1/chargers/{charger_id}/credentials", "make_new_password"),
    Call("fleet", "PUT", "/api/v1/chargers/{charger_id}/registration", "set_registration"),
)


class Forwarder:
    """Passes calls on, each within a time limit. A service that is down is named, and only its own calls fail."""

    def __init__(self, settings: PortalSettings, *, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._urls = {
            "auth": settings.auth_url,
            "billing": settings.billing_url,
            "fleet": settings.fleet_url,
        }
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(settings.forward_timeout_s, connect=min(3.0, settings.forward_timeout_s)),
            transport=transport,
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def send(
        self,
        service: str,
        method: str,
        target: str,
        *,
        content: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> httpx2.Response:
        """The service's answer, whatever it is. `target` is the path, as it is to be on the wire, and the query.

        Raises Problem (503) when the service does not answer.
        """
        base = self._urls[service]
        if base is None:
            name = f"PORTAL_{service.upper()}_URL"
            raise _down(service, f"the portal was not told where the {service} service is ({name})")
        trace = current_traceparent()
        sent = (headers or {}) | ({"traceparent": trace} if trace else {})
        try:
            return await self._client.request(method, f"{str(base).rstrip('/')}{target}", content=content, headers=sent)
        except httpx2.TimeoutException as error:
            raise _down(service, f"the {service} service did not answer in time") from error
        except httpx2.TransportError as error:
            raise _down(service, f"the {service} service can't be reached") from error


def _down(service: str, why: str) -> Problem:
    return Problem(
        503, f"This is not possible at the moment: {why}", title=f"{service} is not available", service=service
    )


async def pass_on(call: Call, request: Request) -> Response:
    """The answer of the service that owns the call, to the person who asks."""
    headers = {name: value for name in _REQUEST_HEADERS if (value := request.headers.get(name)) is not None}
    token = token_of(request) if call.name != "sign_in" else None
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
        _count(request)
    path = request.scope.get("raw_path", b"").decode("ascii") or request.url.path
    target = path.partition("?")[0] + (f"?{request.url.query}" if request.url.query else "")
    answer = await request.app.state.portal.forwarder.send(
        call.service, call.method, target, content=await request.body(), headers=headers
    )
    kept = {name: value for name in _RESPONSE_HEADERS if (value := answer.headers.get(name)) is not None}
    return Response(answer.content, answer.status_code, headers=kept)


def _count(request: Request) -> None:
    """Counts the call for the person. A token that is none is left to the service, which says what is wrong with it."""
    with suppress(InvalidToken):
        person = who_is(request)
        if person is not None:
            request.app.state.portal.limits.request(person.user_id)


def router() -> APIRouter:
    """Every forwarded call as a route."""
    routes = APIRouter()
    for call in CALLS:
        routes.add_api_route(call.path, _endpoint(call), methods=[call.method], name=call.name, include_in_schema=False)
    return routes


def _endpoint(call: Call) -> Any:
    async def endpoint(request: Request) -> Response:
        return await pass_on(call, request)

    return endpoint
