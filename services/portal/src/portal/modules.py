"""JavaScript modules that are made of other files: words, shapes and styles, each of which has one source only."""

import json
from functools import cache
from xml.etree import ElementTree as ET

from portal.assets import STATIC, TEMPLATES
from portal.words import raw_catalogue

_STYLES = ("parts.css", "charger-restart.css")
_SVG = "{http://www.w3.org/2000/svg}"

Shape = list[object]


def words(language: str) -> bytes:
    """The catalogue of a language. Raises FileNotFoundError for a language that there is none of."""
    return b"export default %s;\n" % raw_catalogue(language).strip()


@cache
def styles() -> bytes:
    """The component's style sheet as text, which it puts into its shadow root."""
    text = "\n".join((STATIC / name).read_text() for name in _STYLES)
    return f"export default {json.dumps(text)};\n".encode()


@cache
def icons() -> bytes:
    """The symbols of the pages' sprite, by name: `[viewBox, attributes, ...elements]`, as `[tag, attributes, ...]`."""
    shapes: dict[str, list[object]] = {}
    sprite = ET.fromstring((TEMPLATES / "_sprite.svg").read_text())  # noqa: S314 a file of ours
    for symbol in sprite.iter(f"{_SVG}symbol"):
        attributes = dict(symbol.attrib)
        name, view_box = attributes.pop("id"), attributes.pop("viewBox")
        shapes[name] = [view_box, attributes, *(_shape(child) for child in symbol)]
    return f"export default {json.dumps(shapes)};\n".encode()


def _shape(element: ET.Element) -> Shape:
    return [element.tag.removeprefix(_SVG), dict(element.attrib), *(_shape(child) for child in element)]
