"""The catalogue: every code of the contracts has its sentence, and none is missing or left over."""

import re
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest

from contracts import ocpp
from contracts.restart import (
    Cause,
    Confidence,
    EvidenceKind,
    Health,
    LiftedBy,
    MissingLink,
    Outcome,
    RefusalReason,
    Status,
    Step,
    Strength,
    When,
)
from contracts.words import Plan, Role
from portal.models import ChargerState, Mark
from portal.words import LANGUAGES, Catalogue, Saying, catalogue, say, span
from portal.words.choosing import choose, speaking, spoken

WORDS = catalogue()
PACKAGE = Path(str(files("portal")))
SOURCES = {
    path: path.read_text() for pattern in ("*.py", "templates/*.html", "static/*.js") for path in PACKAGE.glob(pattern)
}


def literals(model: type, field: str) -> tuple[str, ...]:
    return get_args(model.model_fields[field].annotation)


@pytest.mark.parametrize(
    ("family", "values"),
    [
        ("block", RefusalReason),
        ("lifted_by", get_args(LiftedBy)),
        ("role", Role),
        ("plan", Plan),
        ("when", When),
        ("type", Strength),
        ("status", Status),
        ("step", Step),
        ("step.state", [mark for mark in Mark if mark is not Mark.NOTE]),
        ("outcome", Outcome),
        ("cause", Cause),
        ("v.not_restarted", Cause),
        ("v.restarted", Confidence),
        ("confidence", Confidence),
        ("health", Health),
        ("v.health", Health),
        ("missing", MissingLink),
        ("e", EvidenceKind),
        ("connector", ocpp.ConnectorState),
        ("state", ChargerState),
        ("dropped", literals(ocpp.ChargerDisconnected, "why")),
        ("unanswered", literals(ocpp.ResetUnanswered, "why")),
        ("undelivered", literals(ocpp.ResetNotDelivered, "why")),
        ("live", ["connecting", "live", "stale", "ended"]),
        ("icon", ["available", "blocked", "restarting", "unknown"]),
        ("next", ["again", "idle", "evidence", "service"]),
    ],
)
def test_every_value_has_its_words(family, values):
    missing = [f"{family}.{value}" for value in values if f"{family}.{value}" not in WORDS]
    assert missing == []


def holes(template: str) -> list[str]:
    return sorted(re.findall(r"\{\w+(?::\w+)?\}", template))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything_with_the_same_facts(language):
    theirs = catalogue(language).templates
    assert set(theirs) == set(WORDS.templates)
    assert [code for code, template in theirs.items() if holes(template) != holes(WORDS.templates[code])] == []
    assert [
        code for code, template in theirs.items() if not template.strip() or template.count("[") != template.count("]")
    ] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", sorted(WORDS.templates))
def test_no_sentence_is_broken_when_its_optional_facts_are_missing(language, code):
    template = catalogue(language).templates[code]
    needed = re.findall(r"\{(\w+)", re.sub(r"\[[^\]]*\]", "", template))
    text = catalogue(language).text(say(code, **dict.fromkeys(needed, "1")))
    assert text == template or not re.search(r"\(\s*\)|\s[.,;:]|\s{2}|[{}\[\]]", text)


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [(None, "", "en"), (None, "es-MX,es;q=0.9", "es"), (None, "fr,es;q=0.4,en;q=0.8", "en"), (None, "de", "en"),
     ("es", "en", "es"), ("xx", "es", "es"), (None, "en;q=0,es;q=0.1", "es"), (None, ";;q=,*,\x00", "en")],
)  # fmt: skip
def test_the_language_is_the_one_chosen_else_the_first_that_we_know(chosen, accepted, language):
    assert choose(chosen, accepted) == language


def test_words_are_said_in_the_language_of_the_request_at_hand():
    assert spoken().language == "en"
    with speaking("es"):
        assert spoken().text(say("page.chargers")) == "Cargadores"
    assert spoken().language == "en"


def test_text_of_the_other_direction_is_kept_apart():
    words = Catalogue("en", {"x": "Of {name}."})
    assert words.html(Saying("x", {"name": "\u05d0"})) == "Of <bdi>\u05d0</bdi>."


def test_every_step_but_a_note_has_words_for_before_it_is_reached():
    awaited = [step for step in Step if step not in {Step.REQUESTED, Step.NO_ANSWER, Step.RECONNECTED}]
    assert [step for step in awaited if f"step.{step}.awaited" not in WORDS] == []


def test_every_outcome_but_restarted_and_not_restarted_is_a_sentence_of_its_own():
    assert {f"v.{outcome}" for outcome in Outcome} - {"v.restarted"} <= set(WORDS.templates)


def test_every_kind_of_parameter_is_known():
    kinds = {kind for template in WORDS.templates.values() for kind in re.findall(r"\{\w+:(\w+)\}", template)}
    families = {code.rpartition(".")[0] for code in WORDS.templates}
    assert kinds - {"time", "ago", "span"} <= families


def test_every_code_that_the_sources_name_is_in_the_catalogue():
    named = {
        code
        for text in SOURCES.values()
        for code in re.findall(r"""\b(?:t|say|sayText)\(\s*["']([a-z_.]+)["']\s*[,)]""", text)
    }
    assert named
    assert [code for code in named if code not in WORDS] == []


def test_no_code_is_left_over():
    dynamic = (
        "block.", "state.", "role.", "plan.", "connector.", "step.", "status.", "outcome.", "missing.", "confidence.",
        "e.", "dropped.", "unanswered.", "undelivered.", "v.", "when.", "type.", "icon.", "live.", "answer.",
        "lifted_by.", "cause.", "health.", "next.", "field.", "sort.", "language.", "embed.", "escalation.", "escalated.",
        "not_escalated.", "each.", "refusal.", "boot.",
    )  # fmt: skip
    everything = "\n".join(SOURCES.values()) + (PACKAGE / "words/__init__.py").read_text()
    unused = [code for code in WORDS.templates if not code.startswith(dynamic) and f'"{code}"' not in everything]
    menu = {f"page.{name}" for name in ("chargers", "restarts", "groups", "embed")}
    assert [code for code in unused if code != "list.and" and code not in menu] == []


def test_a_sentence_takes_its_parameters_and_leaves_out_what_it_does_not_know():
    words = Catalogue("en", {"x": "It stopped[ after {away:span}][, by {who}].", "list.and": " and ", "r.a": "Anna"})
    assert words.text(say("x")) == "It stopped."
    assert words.text(say("x", away=70, who="")) == "It stopped after 1 min 10 s."
    assert words.text(say("x", away=0.42, who="Kim")) == "It stopped after 0.4 s, by Kim."


def test_words_of_a_vocabulary_are_looked_up_and_joined_and_unknown_ones_stay():
    words = Catalogue("en", {"x": "But {why:r}.", "list.and": " and ", "r.a": "no answer", "r.b": "no drop"})
    assert words.text(say("x", why="a,b")) == "But no answer and no drop."
    assert words.text(say("x", why="new")) == "But new."


def test_html_escapes_every_parameter_and_marks_times():
    words = Catalogue("en", {"x": "{name} since {at:time}"})
    html = words.html(Saying("x", {"name": "<script>", "at": "2026-03-01T12:00:00Z"}))
    assert html == '&lt;script&gt; since <time datetime="2026-03-01T12:00:00Z" data-show="time">12:00:00 UTC</time>'


def test_an_unknown_code_is_an_error():
    with pytest.raises(KeyError):
        WORDS.text(say("no.such.code"))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (0.42, "0.4 s"), (9.96, "10 s"), (42, "42 s"), (60, "1 min"), (70, "1 min 10 s"), (3600, "1 h"),
     (7505, "2 h 5 min"), ("soon", "soon")],
)  # fmt: skip
def test_durations_are_said_as_people_say_them(seconds, shown):
    assert span(seconds) == shown


def symbols() -> set[str]:
    return set(re.findall(r'<symbol id="([^"]+)"', (PACKAGE / "templates/_sprite.svg").read_text()))


@pytest.mark.parametrize(
    ("family", "values"),
    [("state", ChargerState), ("mark", Mark), ("restart", ["available", "blocked", "restarting", "unknown"]),
     ("verdict", ["check", "ring", "perhaps", "no", "nothing"])],
)  # fmt: skip
def test_every_state_has_a_shape_of_its_own(family: str, values: type[StrEnum] | list[str]):
    assert {f"{family}-{value}" for value in values} <= symbols()


def test_every_icon_that_is_used_is_in_the_sprite():
    used = {name for text in SOURCES.values() for name in re.findall(r"""icon\(["']([a-z-]+)["']""", text)}
    assert {name for name in used if not name.endswith("-")} <= symbols()
