"""The registry of personalities, and the README that lists it."""

import re
from pathlib import Path

import pytest

import simulator
from simulator import NAMED, Charger, Personality
from simulator.console import COMMANDS
from simulator.personalities.base import named

README = Path(simulator.__file__).parents[2] / "README.md"


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_personality_describes_itself_in_one_sentence(name):
    personality = NAMED[name]
    assert personality.name == name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert personality.about.endswith(".")
    assert len(personality.about) <= 120


def test_the_readme_lists_exactly_the_registry():
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.+) \|$", README.read_text("utf-8"), re.MULTILINE)
    assert rows == [(name, NAMED[name].about) for name in sorted(NAMED)]


def test_the_readme_names_every_console_command():
    text = README.read_text("utf-8")
    assert [command for command in COMMANDS if f"`{command}" not in text] == []


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="two personalities are called 'healthy'"):
        named("healthy", "Another one.")(Personality)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"personality": "nice"}, "unknown personality 'nice': choose one of accepts-and-ignores"),
        ({"protocol": "ocpp1.5"}, "unknown protocol 'ocpp1.5': choose one of ocpp1.6"),
        ({"speed": 0}, "speed is 0: it must be above 0"),
        ({"connectors": 0}, "connectors is 0: a charger has at least one"),
    ],
)
def test_a_charger_that_cannot_be_is_refused_in_words(wrong, words):
    with pytest.raises(ValueError, match=words):
        Charger("CH-1", "ws://127.0.0.1:9000/ocpp", **wrong)


def test_the_same_seed_gives_the_same_randomness_and_chargers_differ():
    def draw(identity: str, seed: int) -> float:
        return Charger(identity, "ws://127.0.0.1", seed=seed).random.random()

    assert draw("A", 1) == draw("A", 1)
    assert len({draw("A", 1), draw("A", 2), draw("B", 1)}) == 3
