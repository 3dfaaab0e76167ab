"""HTTP for every service: problem details, request ids, body limits, operations routes, and who is asking."""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

from chassis.health import Health
from chassis.tokens import InvalidToken, KeyRing, Person
from chassis.trace import span

log = structlog.stdlib.get_logger(__name__)

MAX_BODY_BYTES = 256 * 1024
PROBLEM = "application/problem+json"
OPERATIONS = frozenset({"/health/live", "/health/ready", "/metrics"})
"""Answered from the first moment on, whatever the service is waiting for."""

_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI need not look, at each request, who wants its own: traces are `chassis.trace`, metrics `chassis.metrics`."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not understood",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available",
}


class Problem(Exception):  # noqa: N818 RFC 9457's word
    """Raised in a route, it becomes the answer: RFC 9457 problem details.

    Args:
        status: the HTTP status.
        detail: what is wrong with this request, and what to do, for people.
        title: the same for every occurrence of the type; the status' own unless given.
        type: a URI that names the kind of problem; `about:blank` says that the status is all there is to it.
        headers: of the response.
        more: further members of the body, for programs.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str | None = None,
        type: str = "about:blank",  # noqa: A002 RFC 9457's name
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.title = title or _TITLES.get(status, "Error")
        self.type = type
        self.headers = headers
        self.more = more


def problem_response(request: Request | None, problem: Problem) -> JSONResponse:
    """The response that tells of the problem."""
    body = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.url.path if request is not None else None,
        **problem.more,
    }
    return JSONResponse(
        {name: value for name, value in body.items() if value is not None},
        problem.status,
        headers=problem.headers,
        media_type=PROBLEM,
    )


def create_http(
    title: str,
    *,
    health: Health,
    registry: CollectorRegistry,
    version: str = "1",
    max_body_bytes: int = MAX_BODY_BYTES,
    keyring: KeyRing | None = None,
    **options: Any,
) -> FastAPI:
    """The service's FastAPI app, with the operations routes; routers are included by the service.

    Every error is a problem document, and none shows the client a stack trace. `options` go to FastAPI.
    """
    app = FastAPI(title=title, version=version, telemetry=_NO_TELEMETRY, **options)
    app.state.keyring = keyring
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(InvalidToken, _on_invalid_token)
    app.add_middleware(_Edge, max_body_bytes=max_body_bytes)
    _add_operations(app, health, registry)
    return app


def _add_operations(app: FastAPI, health: Health, registry: CollectorRegistry) -> None:
    @app.get("/health/live", include_in_schema=False)
    async def live() -> JSONResponse:
        reasons = health.not_live()
        return JSONResponse({"live": not reasons, "reasons": reasons}, 503 if reasons else 200)

    @app.get("/health/ready", include_in_schema=False)
    async def ready() -> JSONResponse:
        reasons = health.not_ready()
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 registered for it alone
    return problem_response(request, error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 registered for it alone
    errors = [
        {"field": ".".join(str(part) for part in problem["loc"]), "detail": problem["msg"], "code": problem["type"]}
        for problem in error.errors()
    ]
    named = ", ".join(problem["field"] for problem in errors)
    return problem_response(request, Problem(422, f"These fields are missing or wrong: {named}", errors=errors))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 registered for it alone
    headers = dict(error.headers) if error.headers else None
    return problem_response(request, Problem(error.status_code, str(error.detail), headers=headers))


async def _on_invalid_token(request: Request, error: Exception) -> Response:
    assert isinstance(error, InvalidToken)  # noqa: S101 registered for it alone
    return problem_response(request, _not_signed_in(error.reason))


def _not_signed_in(why: str) -> Problem:
    return Problem(401, why, headers={"www-authenticate": "Bearer"})


class _Edge:
    """What every request passes: its id and trace, the body limit, and the last resort for errors."""

    def __init__(self, app: App, max_body_bytes: int) -> None:
        self._app = app
        self._max = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _acceptable(headers.get("x-request-id")) or secrets.token_hex(8)
        about = {"request_id": request_id, "http": f"{scope['method']} {scope['path']}"}
        with span(headers.get("traceparent")), structlog.contextvars.bound_contextvars(**about):
            exchange = _Exchange(self._app, scope, receive, send, request_id=request_id, limit=self._max)
            await exchange.run(headers.get("content-length"))


class _Exchange:
    """One request and its answer."""

    def __init__(self, app: App, scope: Scope, receive: Receive, send: Send, *, request_id: str, limit: int) -> None:
        self._app = app
        self._scope = scope
        self._receive = receive
        self._send = send
        self._request_id = request_id
        self._limit = limit
        self._seen = 0
        self._begun = False

    @property
    def _too_large(self) -> bool:
        return self._seen > self._limit

    async def run(self, announced: str | None) -> None:
        problem: Problem | None = None
        if announced is not None and announced.isdigit():
            self._seen = int(announced)
        if not self._too_large:
            self._seen = 0
            try:
                await self._app(self._scope, self._receive_some, self._send_some)
            except Exception:
                if not self._too_large:
                    log.exception("a request failed")
                    detail = f"The request failed on our side; its id is {self._request_id}"
                    problem = Problem(500, detail, request_id=self._request_id)
        if self._too_large:
            problem = Problem(413, f"The body has more than {self._limit} bytes")
        if problem is not None and not self._begun:
            self._seen = 0
            await problem_response(Request(self._scope), problem)(self._scope, self._receive, self._send_some)

    async def _receive_some(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._too_large:
            raise _TooLargeError
        return message

    async def _send_some(self, message: MutableMapping[str, Any]) -> None:
        if self._too_large and not self._begun:
            return  # what the app makes of a body cut short is of no interest
        if message["type"] == "http.response.start":
            self._begun = True
            MutableHeaders(scope=message)["x-request-id"] = self._request_id
        await self._send(message)


class _TooLargeError(Exception):
    pass


def _acceptable(request_id: str | None) -> str | None:
    """A client's own id, if it is one that may stand in a log line."""
    if request_id and len(request_id) <= 128 and request_id.isascii() and request_id.isprintable():  # noqa: PLR2004
        return request_id
    return None


async def current_person(request: Request) -> Person:
    """FastAPI dependency: who is asking, from `Authorization: Bearer`. Answers 401 otherwise."""
    keyring: KeyRing | None = request.app.state.keyring
    if keyring is None:
        raise RuntimeError("this service was built without a key ring, so it can't tell who is asking")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _not_signed_in("Sign in first: this call needs an access token as `Authorization: Bearer …`")
    try:
        return keyring.verify(token.strip())
    except InvalidToken as error:
        raise _not_signed_in(error.reason) from error


async def require_operator(person: Annotated[Person, Depends(current_person)]) -> Person:
    """FastAPI dependency: the person asking, who must be an operator of this system. Answers 403 otherwise."""
    if not person.operator:
        raise Problem(403, "Only operators of this system may do this")
    return person


CurrentPerson = Annotated[Person, Depends(current_person)]
Operator = Annotated[Person, Depends(require_operator)]
