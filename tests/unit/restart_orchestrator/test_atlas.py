"""The page about attempts says what the decider does."""

from pathlib import Path

from contracts.restart import Cause, Confidence, Health, MissingLink, Status
from restart_orchestrator.atlas import DEADLINE, STATES, VERDICTS, page

PAGE = Path(__file__).parents[3] / "architecture" / "restart-attempt.md"


def test_the_page_is_fresh():
    assert PAGE.read_text() == page(), (
        f"run: python -m restart_orchestrator.atlas > {PAGE.relative_to(PAGE.parents[1])}"
    )


def test_every_state_is_on_the_page_and_every_open_one_has_a_deadline():
    drawn = page()
    assert {name.partition(" ")[0] for name in STATES} >= {status.value for status in Status} - {
        status.value for status in Status if f"{status.value} --> [*]" in drawn
    }
    for name, story in STATES.items():
        if story.attempt is not None and story.attempt.is_open:
            assert f"| {name} | {DEADLINE} |" in drawn


def test_every_word_of_a_verdict_is_on_the_page():
    verdicts = [story.to_the_end().attempt.verdict for _, story in VERDICTS]
    assert {verdict.cause for verdict in verdicts} - {None} == set(Cause)
    assert {verdict.confidence for verdict in verdicts} == set(Confidence)
    assert {verdict.health for verdict in verdicts} - {None} == set(Health)
    assert {link for verdict in verdicts for link in verdict.missing} == set(MissingLink)
