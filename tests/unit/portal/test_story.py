"""An attempt's story: which steps stand how, and what the verdict says, for each way that a restart can go."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from contracts.restart import (
    AttemptMoved,
    Cause,
    Confidence,
    Evidence,
    EvidenceKind,
    Expected,
    Health,
    MissingLink,
    Outcome,
    Refusal,
    RefusalReason,
    RequestRestart,
    Spread,
    Status,
    Step,
    Strength,
    Verdict,
    When,
    Withdrawal,
)
from portal.story import explain, tell, tell_accepted
from portal.words import LANGUAGES, catalogue

WORDS = catalogue()
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ATTEMPT = UUID(int=1)
ALL_STEPS = {
    Step.REQUESTED: 0,
    Step.SENT: 0.1,
    Step.ACCEPTED: 0.2,
    Step.GONE: 8,
    Step.RECONNECTED: 68,
    Step.BACK: 70,
    Step.HEALTHY: 130,
}


def moved(version: int, status: Status, steps: dict[Step, float] | None = None, **options) -> AttemptMoved:
    values = {"moved_at": START + timedelta(seconds=version), "when": When.NOW, "requested_by": "kim"} | options
    return AttemptMoved(
        attempt_id=ATTEMPT,
        charger_id="CP-1",
        group_id="depot",
        version=version,
        status=status,
        requested_at=START,
        strength=Strength.AUTO,
        model="Terra",
        steps={step: START + timedelta(seconds=at) for step, at in (steps or {Step.REQUESTED: 0}).items()},
        **values,
    )


def upto(*wanted: Step) -> dict[Step, float]:
    return {step: ALL_STEPS.get(step, 30) for step in wanted}


def ended(outcome: Outcome, steps: dict[Step, float], status: Status | None = None, **verdict) -> AttemptMoved:
    said = Verdict(outcome=outcome, confidence=verdict.pop("confidence", Confidence.HIGH), **verdict)
    return moved(9, status or Status(outcome.value), steps, verdict=said, moved_at=START + timedelta(seconds=300))


def marks(*moves: AttemptMoved) -> list[str]:
    return [f"{step.step}:{step.mark}" for step in tell(moves, WORDS).timeline]


def sentence(move: AttemptMoved) -> str:
    verdict = tell([move], WORDS).verdict
    assert verdict is not None
    return verdict.sentence


def test_the_next_step_is_under_way_and_the_others_are_to_come():
    assert marks(moved(1, Status.DISPATCHING, upto(Step.REQUESTED, Step.SENT))) == [
        "requested:done", "sent:done", "accepted:current", "gone:pending", "back:pending", "healthy:pending",
    ]  # fmt: skip


def test_a_missing_answer_is_no_failure():
    reached = upto(Step.REQUESTED, Step.SENT, Step.NO_ANSWER, Step.GONE)
    assert "no_answer:skipped" in marks(moved(1, Status.RESTARTING, reached))
    assert "accepted:done" in marks(moved(2, Status.RESTARTING, reached | {Step.ACCEPTED: 40}))


def test_what_came_in_another_order_stands_in_the_order_of_events_and_stays_done():
    late = {Step.REQUESTED: 0, Step.SENT: 1, Step.GONE: 5, Step.BACK: 60, Step.ACCEPTED: 61}
    assert marks(moved(1, Status.CHECKING, late)) == [
        "requested:done", "sent:done", "gone:done", "back:done", "accepted:done", "healthy:current",
    ]  # fmt: skip


def test_a_step_that_was_not_seen_is_skipped_where_it_would_have_been():
    unseen = upto(Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.BACK)
    assert marks(moved(1, Status.CHECKING, unseen))[3:] == ["gone:skipped", "back:done", "healthy:current"]


def test_a_mere_reconnect_is_a_note_and_never_the_tick_of_being_back():
    reached = upto(Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE, Step.RECONNECTED)
    assert marks(moved(1, Status.RESTARTING, reached))[4:] == ["reconnected:note", "back:current", "healthy:pending"]
    assert not [mark for mark in marks(moved(2, Status.CHECKING, reached | {Step.BACK: 70})) if "reconnected" in mark]


def test_where_it_ended_without_a_restart_the_step_that_did_not_come_has_failed_and_nothing_follows():
    ignored = ended(Outcome.NOT_RESTARTED, upto(Step.REQUESTED, Step.SENT, Step.ACCEPTED), cause=Cause.IGNORED)
    assert marks(ignored)[-1] == "gone:failed"
    lost = ended(Outcome.LOST, upto(Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE))
    assert marks(lost)[-1] == "back:failed"


@pytest.mark.parametrize("health", [Health.UNHEALTHY, Health.UNSTABLE, Health.BOOT_LOOP])
def test_a_charger_that_came_back_unwell_has_not_skipped_getting_well(health):
    back = upto(Step.REQUESTED, Step.SENT, Step.ACCEPTED, Step.GONE, Step.BACK)
    assert marks(ended(Outcome.RESTARTED, back, health=health))[-1] == "healthy:failed"


def test_who_took_it_back_is_named():
    taken_back = ended(Outcome.CANCELLED, upto(Step.REQUESTED))
    taken_back = taken_back.model_copy(update={"cancelled_by": "kim"})
    verdict = tell([taken_back], WORDS, names={"kim": "Kim Lee"}).verdict
    assert verdict is not None
    assert verdict.sentence.startswith("Cancelled by Kim Lee at ")
    assert sentence(taken_back).startswith("Cancelled by kim at "), "who is no member any more has only an id"


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.CANCELLED, Outcome.EXPIRED])
def test_where_nothing_was_sent_no_step_has_failed(outcome):
    assert marks(ended(outcome, upto(Step.REQUESTED))) == ["requested:done"]


def test_waiting_for_the_charger_is_a_line_of_its_own():
    waiting = moved(2, Status.QUEUED, when=When.ONLINE, expires_at=START + timedelta(hours=1))
    assert marks(waiting)[:3] == ["requested:done", "queued:current", "sent:pending"]
    assert tell([waiting], WORDS).timeline[1].says.params == {"until": "2026-03-01T13:00:00Z"}
    sent = moved(3, Status.DISPATCHING, upto(Step.REQUESTED, Step.SENT))
    assert marks(waiting, sent)[:3] == ["requested:done", "queued:done", "sent:done"]


def test_a_charger_that_scheduled_its_restart_is_waited_for_after_its_answer():
    scheduled = moved(2, Status.AWAITING_IDLE, upto(Step.REQUESTED, Step.SENT, Step.ACCEPTED))
    assert marks(scheduled)[2:5] == ["accepted:done", "idle:current", "gone:pending"]


@pytest.mark.parametrize(
    ("move", "said"),
    [
        (
            ended(Outcome.RESTARTED, ALL_STEPS, confidence=Confidence.PROVEN, health=Health.OK,
                  params={"said": "RemoteReset", "away_s": "62"}),
            "It restarted. The charger says so itself (RemoteReset). Away for 1 min 2 s.",
        ),
        (
            ended(Outcome.RESTARTED, ALL_STEPS, health=Health.OK),
            "It restarted: it accepted, went away and booted on a new connection. Away for 1 min 2 s.",
        ),
        (
            ended(Outcome.RESTARTED, upto(Step.REQUESTED, Step.BACK), confidence=Confidence.MEDIUM, health=Health.OK,
                  missing=(MissingLink.ANSWER, MissingLink.DROP)),
            "It very probably restarted: it booted on a new connection, but it never answered and we did not see it go.",
        ),
        (
            ended(Outcome.RESTARTED, upto(Step.REQUESTED, Step.BACK), confidence=Confidence.LOW, health=Health.OK,
                  params={"reason": "Watchdog"}),
            "It booted, perhaps not because of us: it names another cause (Watchdog).",
        ),
        (
            ended(Outcome.RESTARTED, upto(Step.REQUESTED, Step.BACK), health=Health.UNHEALTHY,
                  params={"connectors": "1/1 faulted"}),
            ("It restarted: it accepted, went away and booted on a new connection. "
            "But not every connector is as it was before: connector 1: faulted."),
        ),
        (
            ended(Outcome.RESTARTED, upto(Step.REQUESTED, Step.BACK), health=Health.BOOT_LOOP, params={"boots": "3"}),
            ("It restarted: it accepted, went away and booted on a new connection. "
            "It keeps restarting: 3 boots. Have it checked on site."),
        ),
        (
            ended(Outcome.NOT_RESTARTED, upto(Step.REQUESTED, Step.GONE, Step.RECONNECTED), cause=Cause.BLIP,
                  params={"away_s": "3"}),
            "It did not restart: the connection dropped for 3 s and came back without a boot.",
        ),
        (
            ended(Outcome.NOT_RESTARTED, upto(Step.REQUESTED, Step.SENT), cause=Cause.IGNORED,
                  missing=(MissingLink.ANSWER,)),
            "It did not restart: it never answered, stayed connected and went on as before.",
        ),
        (
            ended(Outcome.NOT_RESTARTED, upto(Step.REQUESTED, Step.SENT), Status.REJECTED, cause=Cause.REJECTED),
            "It refused to restart.",
        ),
        (
            ended(Outcome.NOT_RESTARTED, upto(Step.REQUESTED), Status.UNSUPPORTED, cause=Cause.UNSUPPORTED,
                  params={"code": "NotSupported"}),
            "It does not know this restart command (NotSupported).",
        ),
        (
            ended(Outcome.NOT_RESTARTED, upto(Step.REQUESTED), Status.UNSUPPORTED, cause=Cause.UNSUPPORTED,
                  params={"part": "evse"}),
            "Nothing was sent: it can only be restarted as a whole, not one EVSE alone.",
        ),
        (
            ended(Outcome.LOST, upto(Step.REQUESTED, Step.SENT, Step.GONE)),
            "It went away at 2026-03-01 12:00:08 UTC and is not back after 4 min 52 s. Someone may have to go there.",
        ),
        (
            ended(Outcome.EXPIRED, upto(Step.REQUESTED, Step.SENT), params={"scheduled": "true"}),
            ("Time ran out at 2026-03-01 12:05:00 UTC; the charger keeps the restart that it scheduled, "
            "and may still carry it out."),
        ),
        (ended(Outcome.REFUSED, upto(Step.REQUESTED)), "Not allowed. Nothing was sent."),
    ],
)  # fmt: skip
def test_each_verdict_is_a_sentence(move, said):
    assert sentence(move) == said


def test_every_combination_that_a_verdict_can_have_is_a_sentence():
    for outcome in Outcome:
        for confidence in Confidence:
            for cause in (None, *Cause):
                for health in (None, *Health):
                    said = sentence(ended(outcome, ALL_STEPS, confidence=confidence, cause=cause, health=health))
                    assert said.endswith(".")
                    assert "{" not in said


def test_a_revised_verdict_says_what_was_said_before_and_keeps_it():
    lost = ended(Outcome.LOST, upto(Step.REQUESTED, Step.SENT, Step.GONE)).model_copy(update={"version": 5})
    back = lost.model_copy(update={"version": 6, "steps": dict(lost.steps) | {Step.BACK: START + timedelta(hours=1)}})
    restarted = Verdict(outcome=Outcome.RESTARTED, confidence=Confidence.HIGH, health=Health.OK)
    revised = back.model_copy(update={"version": 7, "status": Status.RESTARTED, "verdict": restarted, "revises": 5})
    told = tell([lost, back, revised], WORDS)
    assert told.verdict is not None
    assert told.verdict.sentence.startswith("Corrected: it came back at 2026-03-01 13:00:00 UTC, after 59 min 52 s.")
    assert "we had said: Lost" in told.verdict.sentence
    assert [old.verdict for old in told.earlier_verdicts] == [Outcome.LOST]


def test_trying_again_is_not_offered_where_a_second_reset_could_do_harm():
    lost = tell([ended(Outcome.LOST, ALL_STEPS)], WORDS).verdict
    loop = tell([ended(Outcome.RESTARTED, ALL_STEPS, health=Health.BOOT_LOOP)], WORDS).verdict
    blip = tell([ended(Outcome.NOT_RESTARTED, ALL_STEPS, cause=Cause.BLIP)], WORDS).verdict
    assert [verdict.next for verdict in (lost, loop, blip) if verdict] == ["service", "service", "again"]


def test_an_accepted_request_is_an_attempt_that_has_only_been_requested():
    request = RequestRestart(attempt_id=uuid4(), charger_id="CP-1", requested_by="kim", requested_at=START)
    told = tell_accepted(request, "depot", name="Kim")
    assert (told.v, told.status, told.cancellable, told.verdict) == (0, Status.REQUESTED, True, None)
    assert [step.mark for step in told.timeline][:3] == ["done", "current", "pending"]


def test_a_group_without_a_plan_is_told_so():
    block = explain(Refusal(reason=RefusalReason.PLAN, params={"plan": ""}, lifted_by="nobody"), WORDS, group="Depot")
    assert block.detail.startswith("Depot has no plan yet;")


@pytest.mark.parametrize(
    ("reason", "lifted_by", "now", "recorded"),
    [
        ("role", "group_administrators", "your role is user", "the role of who asked was user"),
        ("not_a_member", "group_administrators", "You are not a member", "Who asked for it was not a member"),
        ("already_restarting", "waiting", "Follow it below", "Another restart was under way"),
    ],
)
def test_a_refusal_that_is_told_to_others_does_not_speak_of_the_reader(reason, lifted_by, now, recorded):
    refusal = Refusal(reason=RefusalReason(reason), params={"role": "user"}, lifted_by=lifted_by)
    assert now in explain(refusal, WORDS, group="Depot").detail
    told = tell([moved(1, Status.REFUSED, refusals=(refusal,))], WORDS, group="Depot")
    assert recorded in told.refusals[0].detail
    assert now not in told.refusals[0].detail


def test_who_could_lift_it_is_named():
    refusal = Refusal(reason=RefusalReason.PLAN, params={"plan": "basic"}, lifted_by="super_administrator")
    block = explain(refusal, WORDS, group="Depot", names=["Kim", "Sam"])
    assert block.detail.endswith("A super-administrator of the group can change it: Kim, Sam.")
    assert block.can_lift == ["Kim", "Sam"]
    assert explain(refusal, WORDS, group="Depot").detail.endswith("A super-administrator of the group can change it.")


def test_what_it_usually_takes_is_told_where_it_was_learned():
    away = Spread(p50_s=100, p95_s=180)
    told = tell([moved(1, Status.DISPATCHING, expected=Expected(samples=124, basis="model", away=away))], WORDS)
    assert told.expected is not None
    assert (told.expected.samples, told.expected.away) == (124, away)
    assert tell([moved(1, Status.DISPATCHING, expected=Expected(samples=1, basis="model"))], WORDS).expected is None


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("confidence", Confidence)
@pytest.mark.parametrize("health", Health)
def test_every_verdict_is_a_whole_sentence_in_every_language(language, confidence, health):
    move = ended(Outcome.RESTARTED, ALL_STEPS, confidence=confidence, health=health)
    verdict = tell([move], catalogue(language)).verdict
    assert verdict is not None
    assert verdict.sentence.endswith(".")
    assert "{" not in verdict.sentence


def test_a_charger_that_nobody_heard_of_is_not_said_to_have_gone_away():
    unheard = Verdict(outcome=Outcome.LOST, confidence=Confidence.MEDIUM, params={"unheard_since": START.isoformat()})
    last = moved(5, Status.LOST, upto(Step.REQUESTED, Step.SENT, Step.ACCEPTED), verdict=unheard)
    assert [saying.code for saying in tell([last], WORDS).verdict.says] == ["v.lost.unheard"]


def test_a_charger_that_was_heard_after_its_time_is_evidence_of_its_own():
    heard = {"kind": EvidenceKind.DEADLINE, "event_id": uuid4(), "at": START}
    asked = Evidence(**heard, params={"waited_for": "awaiting_drop"})
    there = Evidence(**heard, params={"heard_at": START.isoformat()})
    told = tell([moved(5, Status.AWAITING_DROP, new_evidence=(asked, there))], WORDS)
    assert [item.says.code for item in told.evidence] == ["e.deadline", "e.deadline.heard"]


@pytest.mark.parametrize(("answer", "step"), [(None, "withdrawal"), ("too_late", "not_withdrawn"), ("withdrawn", None)])
def test_that_someone_wanted_to_take_it_back_stands_in_the_timeline_where_it_happened(answer, step):
    asked = Withdrawal(asked_by="kim", asked_at=START + timedelta(seconds=0.15), answer=answer)
    told = tell([moved(2, Status.AWAITING_DROP, first_steps(3), withdrawal=asked)], WORDS)
    lines = [line.step for line in told.timeline]
    assert lines == ["requested", "sent", *([step] if step else []), "accepted", "gone", "back", "healthy"]
    assert (told.cancellable, told.withdrawal.answer) == (False, answer)


def first_steps(count: int) -> dict[Step, float]:
    return dict(list(ALL_STEPS.items())[:count])
