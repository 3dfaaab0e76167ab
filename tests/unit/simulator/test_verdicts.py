"""The list of personalities says of each what it does to a verdict."""

from simulator.personalities import NAMED
from simulator.personalities.verdicts import VERDICTS


def test_every_personality_says_what_it_does_to_a_verdict():
    assert set(VERDICTS) == set(NAMED)
