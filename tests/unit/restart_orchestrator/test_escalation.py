"""A harder Reset after a softer one that brought nothing: when it follows, when it never does, and what is said of it."""

from dataclasses import replace

import pytest

from contracts.ocpp import ConnectorState
from contracts.restart import Cause, Confidence, EvidenceKind, MissingLink, Outcome, Status, Strength, When
from contracts.words import Role
from restart_orchestrator.inputs import Past
from restart_orchestrator.states import Idle
from restart_orchestrator.story import (
    CONNECTOR,
    ESCALATING,
    QUIET,
    RESET_ON,
    accepted,
    at,
    booted,
    connected,
    dropped,
    not_delivered,
    rejected,
    requested,
    scheduled,
    sent,
    standing,
    status,
    transaction_ended,
    unanswered,
    unsupported,
)

ASKED = (requested(by=ESCALATING), sent())
HARDER = (*ASKED, rejected(0.02, by=ESCALATING))


def with_past(**facts):
    return replace(QUIET, past=Past(**{"per_day": 2, **facts}))


# --- when it follows ---------------------------------------------------------------------------------------------------


def test_a_rejected_reset_is_followed_by_a_hard_one_in_the_same_attempt(given):
    spec = given(*ASKED).when(rejected(0.02, by=ESCALATING))
    attempt = spec.then(Status.DISPATCHING)
    soft, hard = spec.story.resets
    assert (soft.strength, soft.number) == (Strength.AUTO, 0)
    assert (hard.strength, hard.number, hard.attempt_id, hard.epoch) == (Strength.HARD, 1, soft.attempt_id, RESET_ON)
    assert [(one.at, one.after, one.strength) for one in attempt.escalations] == [(at(0.02), "rejected", "hard")]
    assert attempt.verdict is None


def test_an_ignored_reset_is_followed_by_a_hard_one_when_its_window_closes(given):
    spec = given(*ASKED, accepted()).when_seconds_pass(61)
    assert spec.then(Status.DISPATCHING).escalations[0].after == "ignored"
    assert len(spec.story.resets) == 2
    assert spec.story.resets[1].not_after > at(60)


def test_no_second_reset_is_sent_inside_the_window_of_the_first(given):
    spec = given(*ASKED, accepted()).when_seconds_pass(59)
    assert len(spec.story.resets) == 1


def test_the_evidence_tells_both_steps(given):
    spec = given(*HARDER, sent(0.03, number=1), accepted(0.04, number=1))
    assert [one.kind for one in spec.story.evidence] == [
        EvidenceKind.SENT,
        EvidenceKind.REJECTED,
        EvidenceKind.SENT,
        EvidenceKind.ACCEPTED,
    ]


def test_the_verdict_of_the_harder_reset_is_the_verdict_of_the_attempt(given):
    told = (sent(0.03, number=1), accepted(0.04, number=1), dropped(10), connected(90), booted(91), status(92))
    spec = given(*HARDER, *told).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, outcome=Outcome.RESTARTED, confidence=Confidence.HIGH)


def test_a_harder_reset_that_is_ignored_too_is_the_end(given):
    spec = given(*HARDER, sent(0.03, number=1), accepted(0.04, number=1)).when_nothing_more_happens()
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED)
    assert len(spec.story.resets) == 2


def test_a_harder_reset_that_is_rejected_too_is_the_end(given):
    spec = given(*HARDER, sent(0.03, number=1)).when(rejected(0.05, by=ESCALATING, number=1))
    spec.then_verdict(Status.REJECTED, cause=Cause.REJECTED)
    assert len(spec.story.resets) == 2


def test_health_compares_with_what_was_before_the_first_reset(given):
    before = replace(ESCALATING, connectors={CONNECTOR: ConnectorState.AVAILABLE})
    now = replace(ESCALATING, connectors={CONNECTOR: ConnectorState.UNAVAILABLE})
    spec = given(requested(by=before), sent(), rejected(0.02, by=now))
    assert spec.then(Status.DISPATCHING).reset.connectors == {CONNECTOR: ConnectorState.AVAILABLE}


def test_a_transaction_that_the_softer_reset_ended_was_interrupted_by_the_attempt(given):
    charging = replace(ESCALATING, running={"42": CONNECTOR})
    spec = given(requested(by=charging), sent(), transaction_ended(0.01, "SoftReset", transaction="42"))
    spec.when(rejected(0.02, by=ESCALATING))
    assert spec.then(Status.DISPATCHING).seen.ended == {"42": "SoftReset"}


# --- when it never does ------------------------------------------------------------------------------------------------


def test_it_is_off_by_default(given):
    spec = given(requested(), sent()).when(rejected(0.02, by=QUIET))
    verdict = spec.then_verdict(Status.REJECTED, cause=Cause.REJECTED)
    assert "not_escalated" not in verdict.params
    assert len(spec.story.resets) == 1


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ((dropped(10),), Status.LOST),
        ((dropped(10), connected(20)), Status.NOT_RESTARTED),
        ((unsupported(0.02),), Status.UNSUPPORTED),
        ((not_delivered(0.02),), Status.UNDELIVERED),
        ((status(30, ConnectorState.FAULTED, RESET_ON, error="ResetFailure"),), Status.NOT_RESTARTED),
    ],
    ids=["lost", "blip", "unsupported", "undelivered", "reset failure"],
)
def test_it_never_follows_another_end(given, told, expected):
    first = (requested(by=ESCALATING),) if expected is Status.UNDELIVERED else ASKED
    spec = given(*first, *told).when_nothing_more_happens()
    spec.then(expected)
    assert len(spec.story.resets) == 1


def test_it_never_follows_silence_of_every_bridge(given):
    spec = given(requested(by=ESCALATING)).when_nothing_more_happens()
    spec.then(Status.UNDELIVERED)
    assert len(spec.story.resets) == 1


@pytest.mark.parametrize(
    ("why", "now"),
    [
        ("updating_firmware", standing(ESCALATING, updating_firmware=True)),
        ("charging", standing(ESCALATING, transactions=(CONNECTOR,))),
        ("offline", standing(ESCALATING, online=False)),
        ("role", standing(ESCALATING, role=Role.USER)),
        ("not_a_member", standing(ESCALATING, role=None)),
        ("plan", standing(ESCALATING, features=frozenset(), plan="basic")),
        ("model", standing(ESCALATING, abilities=frozenset())),
        ("session", replace(ESCALATING, epoch=RESET_ON + 1)),
        ("boot_loop", with_past(ended_badly=True)),
        ("boot_loop", with_past(booted_at=(at(-60), at(-120), at(-3500)))),
        ("daily_limit", with_past(escalated_at=(at(-60), at(-80_000)))),
    ],
)
def test_it_does_not_follow_when_something_is_against_it_and_the_verdict_says_so(given, why, now):
    spec = given(*ASKED).when(rejected(0.02, by=now))
    verdict = spec.then_verdict(Status.REJECTED, cause=Cause.REJECTED, confidence=Confidence.PROVEN)
    assert verdict.params["not_escalated"] == why
    assert len(spec.story.resets) == 1


@pytest.mark.parametrize(
    "now",
    [
        with_past(booted_at=(at(-60), at(-120), at(-3601))),
        with_past(escalated_at=(at(-60), at(-86_401))),
    ],
    ids=["its third last boot is more than an hour ago", "the last but one was more than a day ago"],
)
def test_it_follows_when_the_past_is_far_enough(given, now):
    spec = given(*ASKED).when(rejected(0.02, by=now))
    assert len(spec.story.resets) == 2


def test_a_person_who_wants_to_interrupt_charging_wants_so_of_the_harder_reset_too(given):
    charging = standing(ESCALATING, transactions=(CONNECTOR,))
    spec = given(requested(by=charging, interrupt_charging=True), sent()).when(rejected(0.02, by=charging))
    assert len(spec.story.resets) == 2


def test_a_request_for_an_idle_charger_never_interrupts_with_the_harder_reset(given):
    charging = standing(ESCALATING, transactions=(CONNECTOR,))
    spec = given(requested(When.IDLE, by=ESCALATING, interrupt_charging=True), sent())
    spec.when(rejected(0.02, by=charging)).then(Status.REJECTED)


@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
def test_on_2_x_both_are_immediate_so_none_follows(given, protocol):
    by = standing(ESCALATING, protocol=protocol)
    spec = given(requested(by=by), sent()).when(rejected(0.02, by=by))
    spec.then(Status.REJECTED)
    assert len(spec.story.resets) == 1


def test_a_hard_reset_has_none_that_is_harder(given):
    spec = given(requested(by=ESCALATING, strength=Strength.HARD), sent()).when(rejected(0.02, by=ESCALATING))
    spec.then(Status.REJECTED)


# --- news of the softer one, when the harder is on its way ---------------------------------------------------------------


@pytest.mark.parametrize(
    "late", [accepted(1), rejected(1, by=ESCALATING), unanswered(30), unsupported(1), scheduled(1), not_delivered(1)]
)
def test_an_answer_to_the_softer_reset_says_nothing_about_the_harder(given, late):
    given(*HARDER, sent(0.5, number=1)).when(late).then_nothing_happened(Idle.NO_BEARING)


def test_the_same_rejection_again_sends_no_third_reset(given):
    spec = given(*HARDER).when(rejected(0.02, by=ESCALATING))
    spec.then_nothing_happened(Idle.NO_BEARING)
    assert len(spec.story.resets) == 2


def test_when_the_harder_reset_was_not_sent_what_held_before_it_holds(given):
    spec = given(*HARDER, not_delivered(0.05, number=1)).when_nothing_more_happens()
    spec.then_verdict(Status.REJECTED, cause=Cause.REJECTED, confidence=Confidence.PROVEN)


def test_when_no_bridge_speaks_of_the_harder_reset_what_held_before_it_holds(given):
    spec = given(*ASKED, accepted()).when_seconds_pass(61).when_nothing_more_happens()
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED, missing=())


def test_a_charger_that_went_just_before_the_harder_reset_is_not_called_undelivered(given):
    """The softer one worked after all, a moment too late."""
    spec = given(*ASKED, accepted()).when_seconds_pass(60.01)
    spec.when(not_delivered(60.2, number=1), dropped(60.1), connected(90), booted(91), status(92))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, missing=(MissingLink.ANSWER,))
