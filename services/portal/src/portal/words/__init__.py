"""Codes and parameters to sentences: the one place where the portal's words are put together.

The catalogue, `<language>.json`, maps a code to a template. The page's JavaScript reads the same file and follows the
same rules (static/words.js):

    {name}          the parameter as it is
    {name:time}     a moment (ISO 8601)
    {name:ago}      how long ago a moment was
    {name:span}     a duration in seconds
    {name:number}   a number, with the language's decimal sign
    {name:each}     connectors, each with a word: `1/1 faulted, 2/1 silent`
    {name:role}     any other kind: the catalogue's word `role.<value>`; several values are separated by commas
    [, by {name}]   left out when one of its parameters is missing or empty
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from math import floor
from typing import NamedTuple

from markupsafe import Markup, escape

DEFAULT_LANGUAGE = "en"
LANGUAGES = ("en", "es")
"""Each has a catalogue; the first is what who asks for none of them gets."""

Params = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Saying:
    """A sentence, as a code of the catalogue and the facts it needs."""

    code: str
    params: dict[str, str]

    def as_json(self) -> dict[str, object]:
        return {"code": self.code, "params": self.params}


def say(code: str, /, **params: object) -> Saying:
    """A saying with its parameters as text: moments in ISO 8601, durations in seconds; None and "" count as missing."""
    return Saying(code, {name: _as_text(value) for name, value in params.items() if value not in (None, "")})


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


class _Hole(NamedTuple):
    name: str
    kind: str


_Part = str | _Hole
_HOLE = re.compile(r"\{(\w+)(?::(\w+))?\}")
_OTHER_DIRECTION = re.compile("[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufefc]")
"""Text that is written from right to left, or that would turn what stands around it; it is kept apart."""
_OPTIONAL = re.compile(r"\[([^\]]*)\]")


class Catalogue:
    """The words of one language."""

    def __init__(self, language: str, templates: Mapping[str, str]) -> None:
        self.language = language
        self.templates = dict(templates)
        self._parsed: dict[str, list[tuple[bool, list[_Part]]]] = {}

    def __contains__(self, code: str) -> bool:
        return code in self.templates

    def text(self, saying: Saying) -> str:
        """The sentence as plain text; times are in UTC and say so. Raises KeyError for an unknown code."""
        return "".join(self._pieces(saying, self._plain))

    def html(self, saying: Saying) -> Markup:
        """The sentence as HTML; times are `<time>` elements, which the page's script turns to the reader's zone."""
        return Markup("").join(Markup(piece) for piece in self._pieces(saying, self._markup))  # noqa: S704 pieces are escaped

    def word(self, kind: str, value: str) -> str:
        """The word for a value of a closed vocabulary, or the value itself where there is none."""
        return self.templates.get(f"{kind}.{value}", value)

    def number(self, text: str) -> str:
        """A number, or a duration, with the decimal sign of the language."""
        return text.replace(".", self.templates.get("number.decimal", "."))

    def _pieces(self, saying: Saying, show: Callable[[str | _Hole, Mapping[str, str]], str]) -> list[str]:
        found: list[str] = []
        for optional, parts in self._parse(saying.code):
            if optional and not all(saying.params.get(part.name) for part in parts if isinstance(part, _Hole)):
                continue
            found.extend(show(part, saying.params) for part in parts)
        return found

    def _parse(self, code: str) -> list[tuple[bool, list[_Part]]]:
        if code not in self._parsed:
            pieces = _OPTIONAL.split(self.templates[code])
            self._parsed[code] = [(place % 2 == 1, _parts(piece)) for place, piece in enumerate(pieces)]
        return self._parsed[code]

    def _plain(self, part: _Part, params: Mapping[str, str]) -> str:
        if isinstance(part, str):
            return part
        value = params.get(part.name, "")
        match part.kind:
            case "time" | "ago":
                return _moment(value, "%Y-%m-%d %H:%M:%S UTC") if value else ""
            case "span":
                return self.number(span(value))
            case "number":
                return self.number(value)
            case "":
                return value
            case "each":
                return ", ".join(self._each(item) for item in value.split(", ") if item)
            case kind:
                return self.word("list", "and").join(self.word(kind, each) for each in value.split(",") if each)

    def _each(self, item: str) -> str:
        where, _, word = item.partition(" ")
        evse_id, _, connector_id = where.partition("/")
        if not (evse_id.isdecimal() and connector_id.isdecimal()):
            return item
        name = connector_name(int(evse_id), int(connector_id))
        code = ("each.connector" if name else "each.charger") + ("" if word else ".alone")
        return self.text(say(code, name=name, word=word))

    def _markup(self, part: _Part, params: Mapping[str, str]) -> str:
        if isinstance(part, _Hole) and part.kind in {"time", "ago"}:
            value = params.get(part.name, "")
            shown = _moment(value, "%H:%M:%S UTC") if value else ""
            return f'<time datetime="{escape(value)}" data-show="{part.kind}">{escape(shown)}</time>'
        text = self._plain(part, params)
        turned = isinstance(part, _Hole) and not part.kind and _OTHER_DIRECTION.search(text)
        return f"<bdi>{escape(text)}</bdi>" if turned else str(escape(text))


def _parts(template: str) -> list[_Part]:
    parts: list[_Part] = []
    end = 0
    for match in _HOLE.finditer(template):
        if match.start() > end:
            parts.append(template[end : match.start()])
        parts.append(_Hole(match[1], match[2] or ""))
        end = match.end()
    if end < len(template):
        parts.append(template[end:])
    return parts


def _moment(value: str, layout: str) -> str:
    try:
        return datetime.fromisoformat(value).astimezone(UTC).strftime(layout)
    except ValueError:
        return value


def span(seconds: str | float) -> str:
    """A duration for people: `0.4 s`, `42 s`, `1 min 10 s`, `2 h 5 min`. Text that is no number stays as it is."""
    try:
        value = float(seconds)
    except ValueError:
        return str(seconds)
    if value < 10:  # noqa: PLR2004 below ten seconds a tenth is worth showing
        return f"{floor(value * 10 + 0.5) / 10:.1f}".removesuffix(".0") + " s"
    whole = floor(value + 0.5)  # as JavaScript rounds, so that a page says the same when its script draws it again
    minutes, rest = divmod(whole, 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left} min" if left else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{whole} s"


def connector_name(evse_id: int | None, connector_id: int | None) -> str | None:
    """`2` for the first or only connector of EVSE 2, which on 1.6 is connector 2; `2.3` for its third; None for the
    charger as a whole.
    """
    if not evse_id:
        return str(connector_id) if connector_id else None
    return str(evse_id) if connector_id in {None, 1} else f"{evse_id}.{connector_id}"


def raw_catalogue(language: str) -> bytes:
    """The catalogue's file. Raises FileNotFoundError for a language that there is none of."""
    return files(__package__).joinpath(f"{language}.json").read_bytes()


@cache
def catalogue(language: str = DEFAULT_LANGUAGE) -> Catalogue:
    """The catalogue of a language. Raises FileNotFoundError for a language that there is none of."""
    return Catalogue(language, json.loads(raw_catalogue(language)))
