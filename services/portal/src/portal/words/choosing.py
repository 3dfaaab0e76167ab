"""In which language a reader is spoken to: what they chose on the page, else what their browser asks for."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

from babel.core import UnknownLocaleError, negotiate_locale, parse_locale
from markupsafe import Markup

from portal.words import DEFAULT_LANGUAGE, LANGUAGES, Catalogue, Saying, catalogue

COOKIE = "comeback_language"

_LANGUAGE: ContextVar[str] = ContextVar("portal_language", default=DEFAULT_LANGUAGE)


@lru_cache(maxsize=256)
def choose(chosen: str | None, accepted: str) -> str:
    """One of our languages: the one chosen, else the first that an `Accept-Language` names, else English."""
    if chosen in LANGUAGES:
        return chosen
    return negotiate_locale(list(_wanted(accepted)), LANGUAGES) or DEFAULT_LANGUAGE


def _wanted(accepted: str) -> list[str]:
    weighed: list[tuple[float, str]] = []
    for item in accepted[:1000].split(","):
        tag, _, quality = item.strip().partition(";q=")
        try:
            weight = float(quality or 1)
            language = parse_locale(tag, sep="-")[0]
        except (ValueError, UnknownLocaleError):
            continue
        if weight > 0:
            weighed.append((-weight, language))
    return [language for _, language in sorted(weighed, key=lambda each: each[0])]


def spoken() -> Catalogue:
    """The words in the language of the request at hand; in English outside of one."""
    return catalogue(_LANGUAGE.get())


class Spoken(Catalogue):
    """The words of whatever language the request at hand is answered in."""

    def __init__(self) -> None:
        super().__init__(DEFAULT_LANGUAGE, {})

    def text(self, saying: Saying) -> str:
        return spoken().text(saying)

    def html(self, saying: Saying) -> Markup:
        return spoken().html(saying)

    def word(self, kind: str, value: str) -> str:
        return spoken().word(kind, value)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """What is said inside is said in this language."""
    token = _LANGUAGE.set(language)
    try:
        yield
    finally:
        _LANGUAGE.reset(token)
