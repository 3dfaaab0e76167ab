"""Signing in and out on the page, and its language: auth checks the password, a cookie that no script reads keeps the
token.
"""

from contextlib import suppress
from datetime import datetime
from typing import Annotated
from urllib.parse import quote, urlsplit

import orjson
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime, BaseModel, ValidationError

from chassis.http import Problem
from chassis.tokens import InvalidToken, Person
from portal.context import Context, Portal
from portal.people import COOKIE, refuse_cross_site, who_is
from portal.rendering import page
from portal.words import LANGUAGES, say
from portal.words.choosing import COOKIE as LANGUAGE_COOKIE

router = APIRouter(include_in_schema=False)

_YEAR_S = 365 * 24 * 3600


class SignIn(Exception):  # noqa: N818 not an error: an answer
    """Raised by a page that needs to know who is asking: the browser is sent to sign in, and back."""


class _LoggedIn(BaseModel):
    access_token: str
    expires_at: AwareDatetime
    language: str | None = None


async def page_person(request: Request) -> Person:
    """FastAPI dependency of the pages: who is asking, else the way to sign in."""
    try:
        person = who_is(request)
    except InvalidToken as error:
        raise SignIn from error
    if person is None:
        raise SignIn
    request.app.state.portal.limits.request(person.user_id)
    return person


async def to_sign_in(request: Request, _error: Exception) -> Response:
    """Sends the browser to the login page; it comes back to where it was, if that can be asked for again."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = here if request.method == "GET" else "/chargers"
    return RedirectResponse(f"/login?next={quote(target, safe='')}", 303)


def own_path(target: str) -> str:
    """The path to go on to after signing in: one of ours, or the list of chargers."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if plain and "\\" not in target else "/chargers"


@router.get("/")
async def home() -> Response:
    return RedirectResponse("/chargers", 303)


@router.get("/login")
async def show_login(request: Request, next: str = "/chargers") -> Response:  # noqa: A002 the query's word
    try:
        if who_is(request) is not None:
            return RedirectResponse(own_path(next), 303)
    except InvalidToken:
        pass
    return page("login.html", next=own_path(next), username="", problem=None)


@router.post("/login")
async def login(
    request: Request,
    portal: Portal,
    username: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/chargers",  # noqa: A002 the form's word
) -> Response:
    refuse_cross_site(request)
    try:
        answer = await portal.forwarder.send(
            "auth",
            "POST",
            "/api/v1/login",
            content=orjson.dumps({"username": username, "password": password}),
            headers={"content-type": "application/json"},
        )
    except Problem:
        return _again(portal, "sys.login_down", 503, username, next)
    if answer.status_code == 429:  # noqa: PLR2004 auth asks to wait
        wait = answer.headers.get("retry-after", "60")
        return _again(portal, "sys.busy", 429, username, next, seconds=wait)
    if answer.status_code != 200:  # noqa: PLR2004 whatever it was, nobody is signed in
        wrong = answer.status_code in {400, 401, 403, 404, 422}
        return _again(portal, "sys.login_failed" if wrong else "sys.login_down", 401 if wrong else 503, username, next)
    try:
        given = _LoggedIn.model_validate_json(answer.content)
    except ValidationError:
        return _again(portal, "sys.login_down", 503, username, next)
    response = RedirectResponse(own_path(next), 303)
    _keep(response, portal, given.access_token, given.expires_at)
    _speak(response, portal, given.language)
    return response


@router.post("/logout")
async def logout(request: Request) -> Response:
    refuse_cross_site(request)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
    return response


@router.post("/language")
async def choose_language(request: Request, portal: Portal, language: Annotated[str, Form(max_length=20)]) -> Response:
    """The browser keeps it, and the account of who is signed in, so that it follows them to another browser."""
    refuse_cross_site(request)
    came_from = urlsplit(request.headers.get("referer", ""))
    response = RedirectResponse(own_path(came_from.path + (f"?{came_from.query}" if came_from.query else "")), 303)
    _speak(response, portal, language)
    if language in LANGUAGES and (token := request.cookies.get(COOKIE)) is not None:
        headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
        content = orjson.dumps({"language": language})
        # Without auth this browser speaks it all the same.
        with suppress(Problem):
            await portal.forwarder.send("auth", "PUT", "/api/v1/me/language", content=content, headers=headers)
    return response


def _speak(response: Response, portal: Context, language: str | None) -> None:
    if language in LANGUAGES:
        secure = portal.settings.secure_cookie
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR_S, path="/", samesite="lax", secure=secure)


def _keep(response: Response, portal: Context, token: str, expires_at: datetime) -> None:
    left = int((expires_at - portal.clock.now()).total_seconds())
    response.set_cookie(
        COOKIE,
        token,
        max_age=max(0, left),
        path="/",
        httponly=True,
        samesite="lax",
        secure=portal.settings.secure_cookie,
    )


def _again(portal: Context, code: str, status: int, username: str, target: str, **facts: object) -> Response:
    problem = portal.words.text(say(code, **facts))
    return page("login.html", status=status, next=own_path(target), username=username, problem=problem)
