"""Who is asking: an access token as a bearer, or in the page's cookie; and that a cookie is not misused by others."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from chassis.http import Problem
from chassis.tokens import InvalidToken, KeyRing, Person
from portal.words import say
from portal.words.choosing import spoken

COOKIE = "comeback_session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def token_of(request: Request) -> str | None:
    """The access token that the request carries; `Authorization` wins over the cookie.

    Raises Problem (403) when a cookie comes with a request that another site may have caused.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    cookie = request.cookies.get(COOKIE)
    if cookie is not None and request.method not in _SAFE:
        refuse_cross_site(request)
    return cookie


def refuse_cross_site(request: Request) -> None:
    """Raises Problem (403) unless the browser says that our own page sent this.

    `Sec-Fetch-Site` decides where it is sent; else `Origin` must be our own address. A request with neither does not
    come from a browser that could be trusted to keep a cookie from other sites.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site in {"same-origin", "none"}:
            return
    else:
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc == request.headers.get("host"):
            return
    raise Problem(403, spoken().text(say("sys.cross_site")))


def who_is(request: Request) -> Person | None:
    """The person whose valid token the request carries; None without a token. Raises InvalidToken."""
    token = token_of(request)
    if token is None:
        return None
    keyring: KeyRing = request.app.state.keyring
    return keyring.verify(token)


async def caller(request: Request) -> Person:
    """FastAPI dependency: who is asking. Answers 401 when nobody that we know, 429 when they ask too much."""
    try:
        person = who_is(request)
    except InvalidToken as error:
        raise Problem(401, error.reason, headers={"www-authenticate": "Bearer"}) from error
    if person is None:
        raise Problem(
            401,
            "Sign in first: this call needs an access token as `Authorization: Bearer …`, or the page's session",
            headers={"www-authenticate": "Bearer"},
        )
    request.app.state.portal.limits.request(person.user_id)
    return person


Caller = Annotated[Person, Depends(caller)]
