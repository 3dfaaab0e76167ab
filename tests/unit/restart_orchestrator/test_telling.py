"""Every move says what happened, in a sentence for people, and how sure that is."""

import json

import pytest

from contracts.restart import Confidence, EvidenceKind, Outcome, Status, When
from contracts.words import Role
from restart_orchestrator import telling
from restart_orchestrator.codec import transition_from_json, transition_to_json
from restart_orchestrator.states import Moved
from restart_orchestrator.story import (
    ESCALATING,
    Story,
    accepted,
    booted,
    changed,
    connected,
    dropped,
    rejected,
    requested,
    sent,
    standing,
    status,
)

WHOLE = (requested(), sent(), accepted(), dropped(10), connected(90), booted(91, reason="PowerUp"), status(92))


def moves(story: Story) -> list[Moved]:
    return [move for decision in story.decisions for move in decision.transitions if isinstance(move, Moved)]


def test_a_restart_is_told_in_sentences():
    told = [move.sentence for move in moves(Story().tell(*WHOLE).to_the_end())]
    assert told == [
        "A Reset is on its way.",
        "The Reset was written to the charger's socket (session 7).",
        "The charger accepted the Reset, which is a promise (session 7). The charger should go away now.",
        "A session of the charger ended (session 7, why: lost). The charger is away or has not booted yet.",
        "The charger opened a new session (session 8).",
        (
            "The charger booted on a new session (session 8, reason: PowerUp). "
            "The charger is back; its connectors are watched."
        ),
        "A connector reported its state (session 8, connector: 1/1, state: available).",
        "The time for this was over (waited for: checking). It restarted (confidence high).",
    ]


def test_each_move_says_how_sure_it_is():
    told = [move.confidence for move in moves(Story().tell(*WHOLE).to_the_end())]
    assert told == [Confidence.PROVEN] * 3 + [Confidence.HIGH] * 5


def test_a_drop_that_was_only_inferred_is_less_sure():
    assert moves(Story().tell(requested(), sent(), accepted(), connected(30)))[-1].confidence is Confidence.MEDIUM


def test_a_refusal_says_what_was_lost():
    story = Story().tell(requested(When.ONLINE, by=standing(online=False)))
    lost = moves(story.tell(changed(60, standing(role=Role.USER))))[-1]
    assert lost.sentence == "It was refused, and nothing was sent (role, was administrator)."
    assert lost.refusals[0].params == {"role": "user", "was": "administrator"}


def test_a_plan_that_was_lost_is_named_with_what_it_was():
    story = Story().tell(requested(When.ONLINE, by=standing(online=False)))
    lost = moves(story.tell(changed(60, standing(features=frozenset(), plan="basic"))))[-1]
    assert lost.refusals[0].params == {"plan": "basic", "was": "business"}


def test_a_member_who_is_none_any_more_is_told_what_they_were():
    story = Story().tell(requested(When.ONLINE, by=standing(online=False)))
    lost = moves(story.tell(changed(60, standing(role=None))))[-1]
    assert lost.refusals[0].params == {"was": "administrator"}


def test_a_harder_reset_is_told():
    story = Story().tell(requested(by=ESCALATING), sent(), rejected(by=ESCALATING))
    assert moves(story)[-1].sentence == (
        "The charger rejected the Reset (session 7). Its group allows a harder Reset, which is on its way now."
    )


def test_a_revision_says_that_it_is_one():
    story = Story().tell(requested(), sent(), accepted(), dropped(10), connected(3600), booted(3601), status(3602))
    assert "Judged once more: it restarted" in moves(story.to_the_end())[-1].sentence


def test_what_is_told_is_kept():
    for move in moves(Story().tell(*WHOLE).to_the_end()):
        assert transition_from_json(json.loads(transition_to_json(move))) == move


@pytest.mark.parametrize("kind", list(EvidenceKind))
def test_there_is_a_sentence_for_each_kind_of_evidence(kind):
    assert telling._EVIDENCE[kind]


def test_there_is_a_sentence_for_each_outcome_and_each_open_state():
    assert set(telling._OUTCOMES) == set(Outcome)
    assert set(telling._STANDS) >= {Status.QUEUED, Status.DISPATCHING, Status.AWAITING_IDLE, Status.RESTARTING}
