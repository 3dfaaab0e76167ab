"""Turns what the portal knows into HTML: the templates, and the filters that its script has too (static/render.js)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel

from chassis.tokens import Person
from contracts.restart import Confidence, Outcome
from portal.assets import BUILD, TEMPLATES
from portal.models import Charger, ChargerState, Says, VerdictView
from portal.words import LANGUAGES, Catalogue, Saying, catalogue, say, span
from portal.words.choosing import spoken

MODULES = (
    "charger-restart.js",
    *("announcer.js", "clock.js", "dom.js", "hub.js", "icons.js", "live.js", "portal-api.js", "render.js"),
    *("restart-dialog.js", "sse.js", "story.js", "stream.js", "styles.js", "words.js"),
)
"""What the page's script asks for, told to the browser beforehand, so that it asks for all of it at once."""
TONES = {
    ChargerState.AVAILABLE: "ok",
    ChargerState.CONNECTED: "ok",
    ChargerState.OCCUPIED: "info",
    ChargerState.CHARGING: "info",
    ChargerState.UPDATING_FIRMWARE: "info",
    ChargerState.FAULTED: "bad",
    ChargerState.LOST: "bad",
}
"""The colour of a state; grey unless named. The shape of its icon says the same."""


def tone(state: ChargerState) -> str:
    """The colour of a charger's state."""
    return TONES.get(state, "grey")


def band(verdict: VerdictView) -> str:
    """The colour of a verdict."""
    if verdict.verdict is Outcome.RESTARTED:
        unsure = verdict.confidence in {Confidence.LOW, Confidence.MEDIUM}
        unwell = verdict.health is not None and verdict.health.value != "ok"
        return "bad" if unwell else ("warn" if unsure else "ok")
    if verdict.verdict is Outcome.NOT_RESTARTED:
        return "warn" if verdict.cause is not None and verdict.cause.value in {"blip", "ignored"} else "bad"
    return "bad" if verdict.verdict is Outcome.LOST else "info"


def glyph(verdict: VerdictView) -> str:
    """The shape of a verdict: it tells what colour alone must not."""
    if verdict.verdict is Outcome.RESTARTED:
        shapes = {Confidence.MEDIUM: "ring", Confidence.LOW: "perhaps"}
        return shapes.get(verdict.confidence, "check")
    return "no" if verdict.verdict in {Outcome.NOT_RESTARTED, Outcome.LOST} else "nothing"


def elapsed(milliseconds: int) -> str:
    """A time since the request: `+12 ms` below a second, else as a duration."""
    return f"+{milliseconds} ms" if milliseconds < 1000 else f"+{spoken().number(span(milliseconds / 1000))}"  # noqa: PLR2004 a second


def iso(moment: datetime) -> str:
    """A moment for the `datetime` attribute."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def utc(moment: datetime) -> str:
    """A moment for people without a script, who get UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def first_way(charger: Charger) -> str:
    """What the form proposes: to restart now where that stops nobody's charging."""
    possible = charger.restart.possible
    return next((way for way in ("now", "idle", "online") if way in possible), "now")


def protocol(subprotocol: str | None) -> str | None:
    """A websocket's subprotocol as people write it: `ocpp2.0.1` is OCPP 2.0.1."""
    return subprotocol and subprotocol.replace("ocpp", "OCPP ", 1)


def word(value: str, kind: str) -> str:
    """The word for a value of a closed vocabulary."""
    return spoken().word(kind, value)


def data(shown: BaseModel) -> Markup:
    """What the page's script starts from, as the text of a `<script type="application/json">`, which it can't leave."""
    return Markup(shown.model_dump_json().replace("<", "\\u003c"))  # noqa: S704 no markup is left in it


def _path(value: str) -> str:
    return quote(value, safe="")


@cache
def _plain(words: Catalogue, code: str) -> Markup:
    """A sentence without facts, which a list says in each of its rows."""
    return words.html(say(code))


def _environment() -> Environment:
    def says(saying: Says) -> Markup:
        return spoken().html(Saying(saying.code, saying.params))

    def t(code: str, /, **params: object) -> Markup:
        words = spoken()
        return words.html(say(code, **params)) if params else _plain(words, code)

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    names = {language: catalogue(language).word("language", "name") for language in LANGUAGES}
    environment.globals.update(t=t, says=says, build=BUILD, languages=names, modules=MODULES, section="")
    filters = (tone, band, glyph, elapsed, iso, utc, first_way, data, protocol, word, zip)
    environment.filters.update({each.__name__: each for each in filters}, path=_path)
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)  # compiled now, not while the first reader waits
    return environment


_ENVIRONMENT = _environment()


def page(
    template: str,
    *,
    person: Person | None = None,
    status: int = 200,
    cursor: int | None = None,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """A page. `cursor`: up to where it knows the feed; a page without one does not go live."""
    language = spoken().language
    html = _ENVIRONMENT.get_template(template).render(person=person, cursor=cursor, language=language, **values)
    return HTMLResponse(html, status, headers={"content-language": language, **(headers or {})})


def wants_html(request: Request) -> bool:
    """Whether it is a person who opened an address, not a program that called one."""
    is_api = request.scope["path"].startswith(("/api/", "/health/", "/metrics"))
    return not is_api and "text/html" in request.headers.get("accept", "")
