"""Silence is held against a charger only when the charger was heard: it may be its bridge that is silent."""

import json
from dataclasses import replace

import pytest

from contracts.restart import Cause, Confidence, EvidenceKind, MissingLink, Status, When
from restart_orchestrator.attempt import decide
from restart_orchestrator.codec import from_json, to_json
from restart_orchestrator.inputs import DeadlinePassed
from restart_orchestrator.states import Idle, Probe
from restart_orchestrator.story import (
    ATTEMPT_ID,
    CHARGER_ID,
    DEFAULT_WINDOWS,
    ESCALATING,
    RESET_ON,
    accepted,
    at,
    booted,
    connected,
    dropped,
    not_delivered,
    probed,
    requested,
    scheduled,
    sent,
    standing,
    status,
    transaction_ended,
)

ASKED = (requested(), sent(0), accepted())
AFTER = RESET_ON + 1
BACK = (*ASKED, dropped(10), connected(90))
BRIDGE_LOST = dropped(75, why="bridge_lost")


@pytest.fixture
def in_silence(given):
    """What happened so far, and from then on the bridge says only what the test says."""
    return lambda *inputs: given(*inputs, answering=False)


# --- the question ------------------------------------------------------------------------------------------------------


def test_at_the_end_of_the_window_the_charger_is_asked_for_and_nothing_is_said_yet(in_silence):
    spec = in_silence(*ASKED).when_seconds_pass(60)
    attempt = spec.then(Status.AWAITING_DROP)
    assert spec.story.probes == (
        Probe(
            attempt_id=ATTEMPT_ID, charger_id=CHARGER_ID, epoch=RESET_ON, not_after=at(360), asked_at=at(60), number=0
        ),
    )
    assert (attempt.deadline.due, attempt.deadline.asked_at) == (at(360), at(60))
    assert spec.story.last.transitions[-1].sentence.endswith("It is asked whether it is there at all.")


def test_a_charger_that_went_away_is_not_asked_for(in_silence):
    spec = in_silence(*ASKED, dropped(10)).when_nothing_more_happens()
    spec.then_verdict(Status.LOST, confidence=Confidence.HIGH, missing=())
    assert spec.story.probes == ()


def test_what_we_were_late_to_ask_is_waited_for_as_long(in_silence):
    """We did not run for an hour: the answer takes its time from now on."""
    story = in_silence(*ASKED).story
    (wake,) = (one for one in story.armed.values() if one.deadline == story.attempt.deadline)
    passed = DeadlinePassed(
        event_id=ATTEMPT_ID, at=wake.deadline.due, waiting_for=Status.AWAITING_DROP, number=wake.deadline.number
    )
    late = story.hear(passed, now=at(3600))
    assert late.probes[0].not_after == late.attempt.deadline.due == at(3900)


def test_the_session_on_which_a_scheduled_reset_was_waited_for_is_the_one_that_is_asked_about(in_silence):
    charging = standing(transactions=("1/1",), protocol="ocpp2.0.1")
    waits = (requested(When.IDLE, by=charging, expires=7200), sent(), scheduled(), dropped(5), connected(20))
    spec = in_silence(*waits, transaction_ended(30, session=AFTER)).when_seconds_pass(90)
    assert [probe.epoch for probe in spec.story.probes] == [AFTER]
    spec.when(probed(90.1, RESET_ON)).then_nothing_happened(Idle.NO_BEARING)
    spec.when(probed(90.2, AFTER)).then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED)


# --- the answer --------------------------------------------------------------------------------------------------------


def test_a_charger_that_is_heard_after_the_window_ignored_the_reset(in_silence):
    spec = in_silence(*ASKED).when_seconds_pass(60).when(probed(60.1))
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED, confidence=Confidence.HIGH, missing=())
    asked, heard = spec.story.evidence[-2:]
    assert (asked.kind, asked.params) == (EvidenceKind.DEADLINE, {"waited_for": "awaiting_drop"})
    assert (heard.kind, heard.epoch, heard.at) == (EvidenceKind.DEADLINE, RESET_ON, at(60.1))
    assert heard.params == {"heard_at": at(60.1).isoformat()}
    assert "it was heard after the time for this" in spec.story.last.transitions[-1].sentence


def test_where_the_group_allows_it_a_harder_reset_follows_once_it_is_heard(in_silence):
    spec = in_silence(*ASKED).when_seconds_pass(61)
    assert len(spec.story.resets) == 1
    spec.when(probed(61.1, by=ESCALATING)).then(Status.DISPATCHING)
    assert [(reset.number, reset.not_after) for reset in spec.story.resets][1:] == [(1, at(71.1))]


def test_the_second_window_goes_the_same_way(in_silence):
    harder = (sent(61.2, number=1), accepted(61.3, number=1))
    spec = in_silence(*ASKED).when_seconds_pass(61).when(probed(61.1, by=ESCALATING), *harder)
    spec.when_seconds_pass(122).then(Status.AWAITING_DROP)
    assert [(probe.number, probe.not_after) for probe in spec.story.probes] == [(0, at(360)), (1, at(421.2))]
    spec.when(probed(122.1)).then_nothing_happened(Idle.NO_BEARING)
    spec.when(probed(122.2, number=1)).then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED)


def test_the_second_window_in_silence_is_lost_too(in_silence):
    harder = (sent(61.2, number=1), accepted(61.3, number=1))
    spec = in_silence(*ASKED).when_seconds_pass(61).when(probed(61.1, by=ESCALATING), *harder)
    spec.when_nothing_more_happens().then_verdict(Status.LOST, confidence=Confidence.MEDIUM)


def test_a_harder_reset_that_never_left_leaves_the_verdict_of_before_once_the_charger_is_heard(in_silence):
    spec = in_silence(*ASKED).when_seconds_pass(61).when(probed(61.1, by=ESCALATING), not_delivered(61.2, number=1))
    spec.when_seconds_pass(122).when(probed(122, number=1))
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED, confidence=Confidence.HIGH, missing=())


# --- no answer ---------------------------------------------------------------------------------------------------------


def test_silence_of_the_bridge_is_not_the_chargers(in_silence):
    """It died after Accepted; its lease ends after the window, and the charger, which had restarted, boots."""
    spec = in_silence(*ASKED).when_seconds_pass(74).when(BRIDGE_LOST)
    spec.then(Status.RESTARTING)
    spec.when(connected(80), booted(80.1), status(80.2)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.MEDIUM, missing=(MissingLink.DROP,))


def test_a_boot_that_comes_before_the_word_of_the_end_is_a_restart_as_well(in_silence):
    spec = in_silence(*ASKED).when_seconds_pass(74).when(booted(80.1), status(80.2)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED)


def test_nobody_says_anything_it_is_lost_and_revised_when_it_boots(in_silence):
    spec = in_silence(*ASKED).when_seconds_pass(359)
    spec.then(Status.AWAITING_DROP)
    spec.when_seconds_pass(360)
    verdict = spec.then_verdict(
        Status.LOST, confidence=Confidence.MEDIUM, cause=None, health=None, missing=(MissingLink.DROP,)
    )
    assert verdict.params == {"unheard_since": at(60).isoformat()}
    assert "Nobody heard of it any more" in spec.story.last.transitions[-1].sentence
    lost = spec.story.attempt
    spec.when(connected(3600), booted(3600.1), status(3600.2)).when_nothing_more_happens()
    spec.then_verdict(Status.RESTARTED, confidence=Confidence.MEDIUM)
    assert spec.story.attempt.revises == lost.version


def test_what_else_is_noted_meanwhile_does_not_end_the_wait_sooner_or_ask_again(in_silence):
    spec = in_silence(requested(), sent(0), accepted()).when_seconds_pass(61).when(booted(70, RESET_ON))
    assert spec.then(Status.AWAITING_DROP).deadline.due == at(360)
    assert len(spec.when_seconds_pass(361).story.probes) == 1


def test_an_answer_of_the_charger_that_moves_the_window_is_asked_about_anew(in_silence):
    """The word of the sending comes late, and with it the window begins later."""
    spec = in_silence(requested(), accepted(0.02)).when_seconds_pass(60).when(sent(30))
    assert spec.then(Status.AWAITING_DROP).deadline.due == at(90)
    spec.when_seconds_pass(90)
    assert [probe.not_after for probe in spec.story.probes] == [at(360), at(390)]


# --- too late ----------------------------------------------------------------------------------------------------------


def test_a_late_probe_changes_nothing(in_silence):
    asked = in_silence(*ASKED).when_seconds_pass(74)
    asked.when(BRIDGE_LOST).when(probed(75.5)).then_nothing_happened(Idle.NO_BEARING)
    asked.when(connected(80), booted(80.1)).when(probed(81)).then_nothing_happened(Idle.NO_BEARING)
    asked.when_nothing_more_happens().when(probed(999)).then_nothing_happened(Idle.OVER)


def test_a_probe_after_it_was_lost_changes_nothing(in_silence):
    in_silence(*ASKED).when_seconds_pass(361).when(probed(362)).then_nothing_happened(Idle.NO_BEARING)


@pytest.mark.parametrize(
    "other",
    [probed(60.1, AFTER), probed(60.1, number=1), probed(44), probed(20)],
    ids=["another session", "another Reset", "before the end of the window", "long before"],
)
def test_the_answer_to_another_question_says_nothing(in_silence, other):
    in_silence(*ASKED).when_seconds_pass(60).when(other).then_nothing_happened(Idle.NO_BEARING)


def test_an_answer_counts_though_the_bridges_clock_is_behind(in_silence):
    in_silence(*ASKED).when_seconds_pass(60).when(probed(58)).then_verdict(Status.NOT_RESTARTED, cause=Cause.IGNORED)


def test_what_was_not_asked_has_no_answer(in_silence):
    in_silence(*ASKED).when(probed(30)).then_nothing_happened(Idle.NO_BEARING)


# --- back, and then silence --------------------------------------------------------------------------------------------


def test_back_without_a_boot_is_a_blip_once_the_charger_is_heard(in_silence):
    spec = in_silence(*BACK).when_seconds_pass(310)
    spec.then(Status.RESTARTING)
    assert [probe.epoch for probe in spec.story.probes] == [AFTER]
    spec.when(probed(310.1, AFTER)).then_verdict(
        Status.NOT_RESTARTED, cause=Cause.BLIP, confidence=Confidence.HIGH, missing=()
    )


def test_a_bridge_that_dies_after_the_return_hides_the_boot_and_it_is_no_blip(in_silence):
    spec = in_silence(*BACK).when_seconds_pass(315).when(dropped(320, AFTER, why="bridge_lost"))
    spec.when(probed(321, AFTER)).then_nothing_happened(Idle.NO_BEARING)
    spec.when(connected(330, AFTER + 1), booted(330.1, AFTER + 1), status(330.2, session=AFTER + 1))
    spec.when_nothing_more_happens().then_verdict(Status.RESTARTED, confidence=Confidence.HIGH)


def test_back_and_then_silence_is_lost(in_silence):
    spec = in_silence(*BACK).when_nothing_more_happens()
    spec.then_verdict(Status.LOST, confidence=Confidence.MEDIUM, missing=())
    assert spec.story.attempt.moved_at == at(610)


def test_a_new_session_after_the_question_is_a_sign_of_life(in_silence):
    spec = in_silence(*BACK).when_seconds_pass(315).when(dropped(320, AFTER), connected(330, AFTER + 1))
    spec.when_nothing_more_happens().then_verdict(Status.NOT_RESTARTED, cause=Cause.BLIP)


def test_a_lost_charger_that_is_back_and_silent_stays_lost_until_it_is_heard(in_silence):
    spec = in_silence(*ASKED, dropped(10)).when_seconds_pass(310).when(connected(3600)).when_nothing_more_happens()
    spec.then_verdict(Status.LOST, confidence=Confidence.HIGH)
    assert [probe.not_after for probe in spec.story.probes] == [at(4200)]
    spec.when(connected(5000, AFTER + 1)).when_seconds_pass(5300).when(probed(5300.1, AFTER + 1))
    spec.then_verdict(Status.NOT_RESTARTED, cause=Cause.BLIP)
    assert spec.story.attempt.revises == spec.story.attempt.lost_version


# --- stored ------------------------------------------------------------------------------------------------------------


def test_the_question_is_stored(in_silence):
    attempt = in_silence(*ASKED).when_seconds_pass(60).then(Status.AWAITING_DROP)
    assert from_json(to_json(attempt)) == attempt


def test_an_attempt_that_was_stored_before_there_were_questions_is_read_and_asks(in_silence):
    attempt = in_silence(*ASKED).then(Status.AWAITING_DROP)
    stored = json.loads(to_json(attempt))
    assert set(stored["deadline"]) == {"waiting_for", "number", "due"}
    read = from_json(json.dumps(stored))
    assert read == replace(attempt, deadline=replace(attempt.deadline, asked_at=None))
    passed = DeadlinePassed(
        event_id=ATTEMPT_ID, at=at(60), waiting_for=Status.AWAITING_DROP, number=read.deadline.number
    )
    decision = decide(read, passed, now=at(60), windows=DEFAULT_WINDOWS)
    assert any(isinstance(command, Probe) for command in decision.commands)
