"""Puts the portal's routes, static files, error pages, languages and security headers on one FastAPI app."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import cookie_parser
from starlette.staticfiles import StaticFiles

from chassis.http import Problem
from portal import (
    api,
    charger_calls_api,
    forward,
    group_pages,
    history_pages,
    modules,
    openapi,
    pages,
    policy_pages,
    security_api,
    sessions,
    streams,
)
from portal.assets import BUILD, STATIC
from portal.context import Context
from portal.people import who_is
from portal.rendering import page, wants_html
from portal.words import DEFAULT_LANGUAGE, say
from portal.words.choosing import COOKIE, choose, speaking, spoken

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handler = Callable[[Request, Exception], Awaitable[Response]]

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; worker-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types comeback"
)
OTHER_POLICY = "default-src 'none'; frame-ancestors 'none'"
WORKER_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"
"""A worker obeys the policy that its own script came with."""
_WORKER = "/static/live-worker.js"


def install(app: FastAPI, context: Context) -> None:
    """Everything that the portal serves."""
    app.state.portal = context
    app.state.openapi = openapi.serving(app)
    shown = (sessions.router, pages.router, history_pages.router, group_pages.router, policy_pages.router)
    for each in (api.router, charger_calls_api.router, security_api.router, streams.router, forward.router(), *shown):
        app.include_router(each, generate_unique_id_function=openapi.called_by_name)
    app.add_api_route("/static/words/{language}.js", _words, include_in_schema=False)
    app.add_api_route("/static/icons.js", _icons, include_in_schema=False)
    app.add_api_route("/static/styles.js", _styles, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_exception_handler(sessions.SignIn, sessions.to_sign_in)
    for kind in (Problem, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _as_page(context, app.exception_handlers[kind]))
    app.add_middleware(_Apology)
    app.add_middleware(_Language)
    if context.settings.embed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=context.settings.embed_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type", "idempotency-key", "last-event-id"],
            expose_headers=["location", "retry-after"],
        )
    app.add_middleware(_SecurityHeaders)
    app.add_middleware(_Compressed)


async def _words(language: str, request: Request) -> Response:
    try:
        return _module(request, modules.words(language if language.isalpha() else "none"))
    except FileNotFoundError as error:
        raise HTTPException(404, "There is no such language") from error


async def _icons(request: Request) -> Response:
    return _module(request, modules.icons())


async def _styles(request: Request) -> Response:
    return _module(request, modules.styles())


def _module(request: Request, content: bytes) -> Response:
    headers = {"cache-control": "no-cache", "etag": f'"{BUILD}"'}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type="text/javascript", headers=headers)


def _as_page(context: Context, otherwise: Any) -> Handler:
    """Shows a problem as a page to those who look at pages, and as it was to all others."""

    async def handle(request: Request, error: Exception) -> Response:
        if not wants_html(request):
            response: Response = await otherwise(request, error)
            return response
        status, detail = _told(error)
        if status == 404 and not isinstance(error, Problem):  # noqa: PLR2004 an address that is none of ours
            detail = context.words.text(say("sys.no_page"))
        try:
            person = who_is(request)
        except Exception:  # noqa: BLE001 a problem is being shown already
            person = None
        return page("error.html", person=person, status=status, heading=detail, detail=None)

    return handle


def _told(error: Exception) -> tuple[int, str]:
    match error:
        case Problem(status=status, detail=detail):
            return status, detail
        case HTTPException(status_code=status, detail=detail):
            return status, str(detail)
        case _:
            return 404, ""


class _Apology:
    """Shows people a page when a request failed for a reason that nobody thought of; programs get a problem."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not wants_html(Request(scope)):
            await self._app(scope, receive, send)
            return
        failed: str | None = None

        async def send_unless_failed(message: MutableMapping[str, Any]) -> None:
            nonlocal failed
            if message["type"] == "http.response.start" and message["status"] == 500:  # noqa: PLR2004 the last resort's
                failed = Headers(raw=message["headers"]).get("x-request-id", "")
            if failed is None:
                await send(message)

        await self._app(scope, receive, send_unless_failed)
        if failed is not None:
            heading, detail = spoken().text(say("sys.error")), spoken().text(say("sys.error_id", id=failed))
            await page("error.html", status=500, heading=heading, detail=detail)(scope, receive, send)


class _Language:
    """Answers in the language that the reader chose on the page, else in one that the browser asks for."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        chosen = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        asks = headers.get("accept-language", DEFAULT_LANGUAGE)
        # A program, or the page's own script, says itself which language it wants.
        is_api = scope["path"].startswith("/api/")
        with speaking(choose(None if is_api else chosen, asks)):
            await self._app(scope, receive, send)


class _Compressed:
    """Pages and static files travel compressed. What the API says does not: programs may ask for very much of it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._compressing = GZipMiddleware(app, minimum_size=1000, compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        plain = scope["type"] != "http" or scope["path"].startswith("/api/")
        await (self._app if plain else self._compressing)(scope, receive, send)


class _SecurityHeaders:
    """Adds to every response what a browser is to refuse on our behalf."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_page = headers.get("content-type", "").startswith("text/html")
                policy = PAGE_POLICY if is_page else WORKER_POLICY if scope["path"] == _WORKER else OTHER_POLICY
                headers["content-security-policy"] = policy
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "same-origin"
                headers["cross-origin-opener-policy"] = "same-origin"
                static = scope["path"].startswith("/static/")
                if static:  # the component is for the pages of other sites too
                    headers["access-control-allow-origin"] = "*"
                    headers["cross-origin-resource-policy"] = "cross-origin"
                if is_page:
                    headers.add_vary_header("Cookie")
                    headers.add_vary_header("Accept-Language")
                headers.setdefault("cache-control", "no-cache" if static else "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)
