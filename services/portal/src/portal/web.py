"""Puts the portal's routes, static files, error pages and security headers on one FastAPI app."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from chassis.http import Problem
from portal import api, forward, pages, sessions, streams
from portal.assets import BUILD, STATIC
from portal.context import Context
from portal.people import who_is
from portal.rendering import page, wants_html
from portal.words import raw_catalogue, say

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Handler = Callable[[Request, Exception], Awaitable[Response]]

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types comeback"
)
OTHER_POLICY = "default-src 'none'; frame-ancestors 'none'"


def install(app: FastAPI, context: Context) -> None:
    """Everything that the portal serves."""
    app.state.portal = context
    for each in (api.router, streams.router, forward.router(), sessions.router, pages.router):
        app.include_router(each)
    app.add_api_route("/static/words/{language}.js", _words, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_exception_handler(sessions.SignIn, sessions.to_sign_in)
    for kind in (Problem, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _as_page(context, app.exception_handlers[kind]))
    app.add_middleware(_SecurityHeaders)


async def _words(language: str) -> Response:
    try:
        content = raw_catalogue(language) if language.isalpha() else None
    except FileNotFoundError:
        content = None
    if content is None:
        raise HTTPException(404, "There is no such language")
    module = b'import { setWords } from "../words.js";\nsetWords("%s", %s);\n' % (language.encode(), content.strip())
    return Response(module, media_type="text/javascript", headers={"cache-control": "no-cache", "etag": f'"{BUILD}"'})


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
                headers["content-security-policy"] = PAGE_POLICY if is_page else OTHER_POLICY
                headers["x-content-type-options"] = "nosniff"
                headers["referrer-policy"] = "same-origin"
                headers["cross-origin-opener-policy"] = "same-origin"
                static = scope["path"].startswith("/static/")
                headers.setdefault("cache-control", "no-cache" if static else "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)
