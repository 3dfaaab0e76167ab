"""What the orchestrator can say of an attempt is said in words, in every language: no code, and no fact, is left out."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from contracts.availability import Situation, blocked_by
from contracts.ocpp import ConnectorState
from contracts.restart import AttemptMoved, NotEscalated, Refusal, RefusalReason, Step
from contracts.words import Role
from portal.models import Attempt, Says, TimelineStep
from portal.story import explain, tell
from portal.words import LANGUAGES, Saying, catalogue
from restart_orchestrator.inputs import Past
from restart_orchestrator.states import Moved, evolve
from restart_orchestrator.story import (
    CONNECTOR,
    ESCALATING,
    QUIET,
    RESET_ON,
    Story,
    accepted,
    at,
    booted,
    connected,
    dropped,
    rejected,
    requested,
    scheduled,
    sent,
    standing,
    status,
    unanswered,
    unsupported,
)
from restart_orchestrator.translate import to_messages
from restart_orchestrator.verdicts import VERDICTS

TEXT_KINDS = {None, "time", "ago", "span", "each"}
SAID_OTHERWISE = {
    "away_s": "as `away`",
    "boots": "only of a boot loop",
    "connector": "named as people know it",
    "missing": "by its own field",
    "part": "chooses the sentence",
    "scheduled": "chooses the sentence",
    "said": "as `evidence`",
    "reason": "where nothing proves more",
    "unheard_since": "chooses the sentence",
    "usual_away_s": "chooses the sentence, where it restarted",
    "faults_new": "as `faults`",
    "faults_left": "as `faults`",
    "faults_gone": "as `faults`",
    "not_escalated": "as `why`",
}
"""Facts of verdicts that are not holes of a sentence under their own name."""
NOT_SAID = {
    "answer_epoch": "stands beside the evidence",
    "solicited": "is the reason why it is not counted",
    "heard_at": "is its own time",
}
"""Facts of evidence that its sentence may leave out."""
SAID_BY_ITSELF = {"e.reset_failure": {"state", "error_code"}, "e.connector_status.whole": {"connector"}}
"""Facts that a sentence says without naming them."""

FAULTY = replace(
    QUIET,
    connectors={CONNECTOR: ConnectorState.AVAILABLE, "2/1": ConnectorState.FAULTED, "3/1": ConnectorState.RESERVED},
    faults={"2/1": "GroundFailure", CONNECTOR: "OverVoltage"},
)
BACK = (accepted(), dropped(10), connected(90), booted(91))
MORE: tuple[tuple[str, Story], ...] = (
    (
        "faults that are new, left and gone, and a connector that is silent",
        Story().tell(
            requested(by=FAULTY), sent(), *BACK,
            status(92, error="WeakSignal"), status(93, ConnectorState.FAULTED, connector="2/1"),
        ),
    ),
    (
        "faults that are gone",
        Story().tell(requested(by=FAULTY), sent(), *BACK, status(92), status(93, connector="2/1"), status(94, connector="3/1")),
    ),
    ("connector 0 is faulted", Story().tell(requested(), sent(), *BACK, status(92, ConnectorState.FAULTED, connector="0/0"))),
    ("it says why it rejects", Story().tell(requested(), sent(), rejected(info="busy"))),
    ("it answers with an error", Story().tell(requested(), sent(), unanswered(1, "call_error", "InternalError"), *BACK[1:], status(92))),
    ("a scheduled one", Story().tell(requested(by=standing(protocol="ocpp2.0.1")), sent(), scheduled(), *BACK[1:], status(92))),
    ("one EVSE, on 1.6", Story().tell(requested(evse_id=1), sent())),
    ("a code of its own", Story().tell(requested(), sent(), unsupported(code="FormationViolation"))),
    ("the limit of a day", Story().tell(requested(), sent(), rejected(by=replace(QUIET, past=Past(per_day=1, escalated_at=(at(-60),)))))),
    ("on another session", Story().tell(requested(), sent(), rejected(by=replace(ESCALATING, epoch=RESET_ON + 1)))),
)  # fmt: skip
STORIES = {**dict(VERDICTS), **dict(MORE)}


def moves(story: Story) -> list[AttemptMoved]:
    """What the orchestrator publishes of it."""
    attempt, said = None, []
    for decision in story.to_the_end().decisions:
        for transition in decision.transitions:
            attempt = evolve(attempt, transition)
            if isinstance(transition, Moved):
                published = to_messages(attempt, transition, None, cause=attempt.attempt_id, now=at(0), trace=None)
                said += [envelope.data for _, envelope in published if isinstance(envelope.data, AttemptMoved)]
    return said


def sayings(attempt: Attempt) -> Iterator[Says]:
    yield from (step.says for step in attempt.timeline)
    yield from (item.says for item in attempt.evidence)
    yield from (block.says for block in attempt.refusals)
    for verdict in (attempt.verdict, *attempt.earlier_verdicts):
        yield from (*verdict.says, *verdict.also) if verdict else ()


def wordless(says: Says, language: str) -> list[str]:
    """The codes in it that its language has no word for."""
    words = catalogue(language)
    if says.code not in words:
        return [says.code]
    holes = re.findall(r"\{(\w+)(?::(\w+))?\}", words.templates[says.code])
    return [
        f"{kind}.{value}"
        for name, kind in holes
        if (kind or None) not in TEXT_KINDS
        for value in says.params.get(name, "").split(",")
        if value and f"{kind}.{value}" not in words
    ]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_every_story_is_told_in_words(story: Story, language: str) -> None:
    told = tell(moves(story), catalogue(language), name="Ada", group="Depot")
    assert told.verdict is not None
    assert [code for says in sayings(told) for code in wordless(says, language)] == []


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_no_fact_of_a_verdict_or_of_evidence_is_left_out(story: Story) -> None:
    told = tell(moves(story), catalogue(), name="Ada", group="Depot")
    for verdict in (told.verdict, *told.earlier_verdicts):
        assert verdict is not None
        holes = {name for says in (*verdict.says, *verdict.also) for name in _holes(says.code)}
        assert set(verdict.params) - holes - set(SAID_OTHERWISE) == set(), verdict.sentence
    for item in told.evidence:
        said = _holes(item.says.code) | SAID_BY_ITSELF.get(item.says.code, set())
        assert set(item.params) - said - set(NOT_SAID) == set(), item.detail


def _holes(code: str) -> set[str]:
    return set(re.findall(r"\{(\w+)", catalogue().templates[code]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_keeps_a_harder_reset_from_following_has_words(language: str) -> None:
    words = catalogue(language)
    assert [why for why in (*NotEscalated, *RefusalReason) if f"not_escalated.{why.value}" not in words] == []


SITUATION = Situation(
    role=None, plan=None, features=frozenset(), model="Pulsar", abilities=frozenset(), online=False,
    offline_since=at(0).isoformat(), transactions=("1", "2.2"), updating_firmware=True, open_attempt="x",
)  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("recorded", [False, True])
def test_every_refusal_has_words_with_every_fact_that_it_can_have(language: str, recorded: bool) -> None:
    words = catalogue(language)
    every = [*blocked_by(SITUATION), *blocked_by(replace(SITUATION, role=Role.USER, plan="basic"))]
    assert {refusal.reason for refusal in every} == set(RefusalReason)
    was = {
        RefusalReason.NOT_A_MEMBER: "administrator",
        RefusalReason.ROLE: "administrator",
        RefusalReason.PLAN: "business",
    }
    for refusal in every:
        facts = {"was": was[refusal.reason]} if recorded and refusal.reason in was else {}
        told = explain(
            Refusal(reason=refusal.reason, params={**refusal.params, **facts}, lifted_by=refusal.lifted_by),
            words, group="Depot", model="Pulsar", names=["Ada"], recorded=recorded,
            since=at(0), until=at(0) + timedelta(hours=2), requested_at=at(0),
        )  # fmt: skip
        assert wordless(told.says, language) == []
        if refusal.reason in {RefusalReason.OFFLINE, RefusalReason.CHARGING} and not recorded:
            waits = explain(refusal, words, may_wait=True)
            assert wordless(waits.says, language) == []
            assert len(waits.detail) > len(explain(refusal, words).detail), "it offers to wait"
        if facts and told.says.code != "block.no_plan":
            assert words.word("role", "administrator") in told.detail or words.word("plan", "business") in told.detail


def test_a_harder_reset_and_what_it_ended_stand_in_the_story() -> None:
    charging = replace(ESCALATING, running={"42": CONNECTOR})
    story = Story().tell(
        requested(by=charging), sent(), rejected(by=ESCALATING),
        sent(0.03, number=1), accepted(0.04, number=1), dropped(10), connected(90), booted(91), status(92),
    )  # fmt: skip
    told = tell(moves(story), catalogue(), name="Ada")
    assert told.verdict is not None
    assert "A hard restart had followed the soft one, which was refused." in told.verdict.sentence
    assert "It ended a charging that was running." in told.verdict.sentence
    assert [(each.after, each.type.value) for each in told.escalations] == [("rejected", "hard")]
    assert told.interrupted == ["42"]
    assert [step.step for step in told.timeline][:3] == [Step.REQUESTED, Step.SENT, "escalated"]
    (connector,) = told.connectors
    assert (connector.name, connector.before, connector.since) == ("1", "available", "available")


def test_one_evse_of_a_charger_that_stayed_there_is_not_said_to_have_booted() -> None:
    told = tell(
        moves(STORIES["one EVSE of 2.x: Accepted, its connectors unavailable and back, no boot needed"]), catalogue()
    )
    assert told.verdict is not None
    assert told.verdict.sentence.startswith("EVSE 1 restarted: the charger accepted,")
    assert "boot" not in " ".join(catalogue().text(each) for each in map(_saying, told.timeline))
    assert Step.GONE not in [step.step for step in told.timeline]


def _saying(step: TimelineStep) -> Saying:
    return Saying(step.says.code, step.says.params)
