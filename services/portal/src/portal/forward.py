"""Passing calls on to the services that own them: auth, billing and fleet, behind the same edge."""

from dataclasses import dataclass
from typing import Any

import httpx2
from fastapi import APIRouter, Request, Response

from chassis.http import Problem
from chassis.trace import current_traceparent
from portal.people import token_of
from portal.settings import PortalSettings

_REQUEST_HEADERS = ("accept", "content-type", "idempotency-key", "if-match", "if-none-match")
_RESPONSE_HEADERS = ("content-type", "etag", "location", "retry-after", "www-authenticate", "cache-control")


@dataclass(frozen=True, slots=True)
class Call:
    """One forwarded call: which method and path, to which service, and what it does."""

    service: str
    method: str
    path: str
    about: str
    takes_body: bool = False


CALLS = (
    Call("auth", "POST", "/api/v1/login", "Sign in with user name and password; answers an access token.", True),
    Call("auth", "GET", "/api/v1/groups", "The groups."),
    Call("auth", "PUT", "/api/v1/groups/{group_id}", "Define or rename a group.", True),
    Call("auth", "GET", "/api/v1/users", "The people."),
    Call("auth", "POST", "/api/v1/users", "Add a person; a password that was generated is shown once.", True),
    Call("auth", "GET", "/api/v1/groups/{group_id}/members", "The members of a group."),
    Call("auth", "PUT", "/api/v1/groups/{group_id}/members/{user_id}", "Give a person a role in a group.", True),
    Call("auth", "DELETE", "/api/v1/groups/{group_id}/members/{user_id}", "End a membership."),
    Call("billing", "GET", "/api/v1/plans", "The plans and their features."),
    Call("billing", "GET", "/api/v1/groups/{group_id}/plan", "The plan of a group."),
    Call("billing", "PUT", "/api/v1/groups/{group_id}/plan", "Set the plan of a group.", True),
    Call("fleet", "GET", "/api/v1/models", "The charger models and what each can do."),
    Call("fleet", "GET", "/api/v1/fleet/chargers", "All chargers, for the platform's operators."),
    Call("fleet", "GET", "/api/v1/fleet/chargers/{charger_id}", "A charger as fleet knows it, for operators."),
    Call("fleet", "POST", "/api/v1/chargers:import", "Add many chargers, with a result for each row.", True),
    Call("fleet", "PUT", "/api/v1/chargers/{charger_id}", "Add or change a charger.", True),
    Call("fleet", "DELETE", "/api/v1/chargers/{charger_id}", "Remove a charger."),
    Call("fleet", "POST", "/api/v1/chargers/{charger_id}/credentials", "A new password, shown once.", True),
    Call("fleet", "PUT", "/api/v1/chargers/{charger_id}/registration", "How its next boot is answered.", True),
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


async def _pass_on(call: Call, request: Request) -> Response:
    headers = {name: value for name in _REQUEST_HEADERS if (value := request.headers.get(name)) is not None}
    token = token_of(request) if call.path != "/api/v1/login" else None
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    path = request.scope.get("raw_path", b"").decode("ascii") or request.url.path
    target = path.partition("?")[0] + (f"?{request.url.query}" if request.url.query else "")
    answer = await request.app.state.portal.forwarder.send(
        call.service, call.method, target, content=await request.body(), headers=headers
    )
    kept = {name: value for name in _RESPONSE_HEADERS if (value := answer.headers.get(name)) is not None}
    return Response(answer.content, answer.status_code, headers=kept)


def router() -> APIRouter:
    """Every forwarded call as a route, described for OpenAPI."""
    routes = APIRouter()
    for call in CALLS:
        routes.add_api_route(
            call.path,
            _endpoint(call),
            methods=[call.method],
            name=f"{call.method.lower()}{call.path.replace('/', '_')}",
            summary=call.about,
            tags=[call.service],
            openapi_extra=_description(call),
            response_class=Response,
            responses={
                200: {"description": f"As the {call.service} service answers.", "content": {"application/json": {}}},
                503: {"description": f"The {call.service} service does not answer."},
            },
        )
    return routes


def _endpoint(call: Call) -> Any:
    async def endpoint(request: Request) -> Response:
        return await _pass_on(call, request)

    return endpoint


def _description(call: Call) -> dict[str, Any]:
    parameters = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
        for part in call.path.split("/")
        if part.startswith("{")
    ]
    described: dict[str, Any] = {"parameters": parameters}
    if call.takes_body:
        described["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
    return described
