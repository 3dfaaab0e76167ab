"""What holds for every attempt, whatever is heard in whatever order: a state machine finds the orders."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.ocpp import ConnectorState
from contracts.restart import TERMINAL, Cause, Confidence, Expected, Outcome, Spread, Status, Strength, When
from contracts.words import Role
from restart_orchestrator.attempt import decide
from restart_orchestrator.codec import from_json, to_json
from restart_orchestrator.health import interrupted
from restart_orchestrator.inputs import (
    Accepted,
    Asked,
    Booted,
    Cancel,
    Connected,
    ConnectorReported,
    DeadlinePassed,
    Disconnected,
    Input,
    NotDelivered,
    NotWithdrawn,
    Past,
    Probed,
    Rejected,
    Request,
    Scheduled,
    SecurityEvent,
    Sent,
    Standing,
    StandingChanged,
    Superseded,
    TransactionEnded,
    Unanswered,
    Unsupported,
    Withdrawn,
)
from restart_orchestrator.states import (
    Attempt,
    Decision,
    Idle,
    Moved,
    Probe,
    SendReset,
    Transition,
    WakeMe,
    Withdraw,
    evolve,
)
from restart_orchestrator.story import ATTEMPT_ID, CHARGER_ID, CONNECTOR, QUIET, START, standing
from restart_orchestrator.windows import Windows

WINDOWS = Windows()
FIRST = QUIET.epoch
SECONDS = st.floats(min_value=0, max_value=120, allow_nan=False)
LATE = st.sampled_from([0.0, 0.0, 0.5, 5.0, 60.0])
SESSIONS = st.integers(min_value=FIRST - 1, max_value=FIRST + 4)
PASTS = st.one_of(
    st.none(),
    st.builds(
        lambda per_day, boots, bad: Past(
            per_day=per_day, booted_at=tuple(START - timedelta(minutes=each) for each in boots), ended_badly=bad
        ),
        st.integers(0, 2),
        st.lists(st.integers(0, 90), max_size=3),
        st.sampled_from([False, False, False, True]),
    ),
)
LEARNED = st.one_of(
    st.none(),
    st.builds(
        lambda drop, boot: Expected(
            samples=10, basis="model", drop=Spread(p50_s=drop, p95_s=drop), boot=Spread(p50_s=boot, p95_s=boot)
        ),
        st.floats(0, 1000),
        st.floats(0, 1000),
    ),
)
STANDINGS = st.builds(
    lambda online, charging, updating, role, protocol, past, expected, beside_lost: replace(
        standing(
            online=online,
            transactions=(CONNECTOR,) if charging else (),
            updating_firmware=updating,
            role=role,
            protocol=protocol,
        ),
        past=past,
        expected=expected,
        running={"42": CONNECTOR} if charging else {},
        beside_lost=beside_lost,
    ),
    past=PASTS,
    beside_lost=st.booleans(),
    expected=LEARNED,
    online=st.sampled_from([*[True] * 5, False]),
    charging=st.sampled_from([*[False] * 3, True]),
    updating=st.sampled_from([*[False] * 9, True]),
    role=st.sampled_from([*[Role.ADMINISTRATOR] * 9, Role.USER]),
    protocol=st.sampled_from(["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]),
)
ASKED = st.builds(
    lambda when, evse_id, interrupt, expires: Asked(
        requested_by="ada",
        requested_at=START,
        when=when,
        evse_id=evse_id,
        interrupt_charging=interrupt,
        expires_at=expires and START + timedelta(seconds=expires),
    ),
    when=st.sampled_from(When),
    evse_id=st.sampled_from([None, None, 1]),
    interrupt=st.booleans(),
    expires=st.sampled_from([None, None, 600, 7200]),
)


def happening(at: datetime) -> dict[str, object]:
    return {"event_id": uuid4(), "at": at}


# What may be heard, as if it happened at the start: a strategy that is made for the moment of each step is checked by
# Hypothesis for each, too, and that takes longer than the steps.
THEN = happening(START)
NUMBERS = st.sampled_from([0, 0, 1])
SENT = st.builds(lambda number: Sent(**THEN, epoch=FIRST, number=number), NUMBERS)
ACCEPTED = st.builds(
    lambda number, on: Accepted(**THEN, epoch=FIRST, number=number, answer_epoch=on), NUMBERS, SESSIONS
)
ANSWERS = st.one_of(
    SENT,
    ACCEPTED,
    st.builds(lambda number, on: Scheduled(**THEN, epoch=FIRST, number=number, answer_epoch=on), NUMBERS, SESSIONS),
    st.builds(lambda number: Unanswered(**THEN, epoch=FIRST, number=number, why="timeout"), NUMBERS),
    st.builds(
        lambda number, epoch, known: Probed(**THEN, epoch=epoch, number=number, standing=known),
        NUMBERS,
        SESSIONS,
        STANDINGS,
    ),
)
REFUSALS = st.one_of(
    st.builds(lambda number, known: Rejected(**THEN, epoch=FIRST, number=number, standing=known), NUMBERS, STANDINGS),
    st.builds(lambda number: Unsupported(**THEN, epoch=FIRST, number=number, code="NotSupported"), NUMBERS),
    st.builds(lambda number: NotDelivered(**THEN, epoch=FIRST, number=number, why="not_connected"), NUMBERS),
    st.builds(lambda number: Withdrawn(**THEN, epoch=FIRST, number=number), NUMBERS),
    st.builds(lambda number: NotWithdrawn(**THEN, epoch=FIRST, number=number), NUMBERS),
)
SAID_BY_THE_BRIDGE = st.integers(0, 9).flatmap(lambda rarely: ANSWERS if rarely else REFUSALS)

COMINGS_AND_GOINGS = (
    st.builds(lambda epoch: Connected(**THEN, epoch=epoch), SESSIONS),
    st.builds(
        lambda epoch, why: Disconnected(**THEN, epoch=epoch, why=why),
        SESSIONS,
        st.sampled_from(["closed", "lost", "silent", "replaced", "bridge_lost", "bridge_stopped", "refused"]),
    ),
)
BOOTED = st.builds(
    lambda epoch, reason, asked: Booted(**THEN, epoch=epoch, reason=reason, solicited=asked),
    SESSIONS,
    st.sampled_from([None, "PowerUp", "RemoteReset", "Watchdog", "Triggered"]),
    st.booleans(),
)
REPORTED = st.builds(
    lambda epoch, state, error, said: ConnectorReported(
        **THEN,
        epoch=epoch,
        connector=CONNECTOR,
        state=state,
        error_code=error,
        reported_at=said and START - timedelta(seconds=said),
    ),
    SESSIONS,
    st.sampled_from(ConnectorState),
    st.sampled_from([*[None] * 9, "ResetFailure"]),
    st.sampled_from([None, 0.1, 30.0]),
)
ENDED = st.builds(
    lambda epoch, reason, idle, which: TransactionEnded(
        **THEN, epoch=epoch, transaction_id=which, reason=reason, idle=idle
    ),
    SESSIONS,
    st.sampled_from([None, "SoftReset", "Local"]),
    st.booleans(),
    st.sampled_from(["42", "43"]),
)
SECURITY = st.builds(
    lambda epoch, kind: SecurityEvent(**THEN, epoch=epoch, kind=kind),
    SESSIONS,
    st.sampled_from(["ResetOrReboot", "SettingSystemTime"]),
)
SIGHTINGS = st.one_of(*COMINGS_AND_GOINGS, BOOTED, REPORTED, ENDED, SECURITY)


def moved_to(at: datetime, event: Input) -> Input:
    """The same, at this moment."""
    event = replace(event, **happening(at))
    if isinstance(event, ConnectorReported) and event.reported_at is not None:
        return replace(event, reported_at=at - (START - event.reported_at))
    return event


class OneAttempt(RuleBasedStateMachine):
    """One attempt, told anything at any time, and told everything twice."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.attempt: Attempt | None = None
        self.history: list[Transition] = []
        self.resets: list[SendReset] = []
        self.withdrawals: list[Withdraw] = []
        self.armed: list[WakeMe] = []
        self.known: Standing | None = None

    @initialize(asked=ASKED, known=STANDINGS)
    def a_person_asks(self, asked: Asked, known) -> None:
        self.hear(
            Request(**happening(START), attempt_id=ATTEMPT_ID, charger_id=CHARGER_ID, asked=asked, standing=known)
        )

    @rule(said=SAID_BY_THE_BRIDGE, seconds=SECONDS, late=LATE)
    def the_bridge_says_what_became_of_the_reset(self, said: Input, seconds: float, late: float) -> None:
        self.hear(moved_to(self.pass_time(seconds, late), said))

    @rule(seen=SIGHTINGS, seconds=SECONDS, late=LATE)
    def the_charger_is_seen(self, seen: Input, seconds: float, late: float) -> None:
        self.hear(moved_to(self.pass_time(seconds, late), seen))

    @rule(seen=SIGHTINGS, seconds=SECONDS, late=LATE)
    def the_charger_is_seen_again(self, seen: Input, seconds: float, late: float) -> None:
        self.hear(moved_to(self.pass_time(seconds, late), seen))

    def pass_time(self, seconds: float, late: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now - timedelta(seconds=late)

    @rule(known=STANDINGS, seconds=SECONDS)
    def the_standing_changes(self, known, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.hear(StandingChanged(**happening(self.now), standing=known))

    @precondition(lambda self: self.attempt is not None and self.attempt.status in {Status.LOST, Status.CHECKING})
    @rule(seconds=SECONDS)
    def another_reset_is_decided_on(self, seconds: float) -> None:
        self.hear(Superseded(**happening(self.pass_time(seconds, 0.0))))

    @rule(role=st.sampled_from([Role.ADMINISTRATOR, None]), by=st.sampled_from(["ada", "grace"]))
    def someone_takes_it_back(self, role: Role | None, by: str) -> None:
        self.hear(Cancel(**happening(self.now), cancelled_by=by, role=role))

    @precondition(lambda self: self.armed)
    @rule(data=st.data(), known=STANDINGS)
    def any_deadline_passes(self, data, known) -> None:
        """Any that was ever armed: nothing cancels a timer, and it may go off late."""
        wake = data.draw(st.sampled_from(self.armed))
        self.now = max(self.now, wake.deadline.due)
        self.hear(
            DeadlinePassed(
                **happening(wake.deadline.due),
                waiting_for=wake.deadline.waiting_for,
                number=wake.deadline.number,
                standing=known,
            )
        )

    @precondition(lambda self: self.attempt is not None and self.attempt.deadline is not None)
    @rule(known=STANDINGS)
    def the_wait_ends_and_the_charger_is_there(self, known: Standing) -> None:
        waited = self.attempt.deadline
        self.now = max(self.now, waited.due)
        facts = happening(waited.due) | {"waiting_for": waited.waiting_for, "number": waited.number}
        asked = self.hear(DeadlinePassed(**facts, standing=known))
        for probe in asked:
            self.hear(Probed(**happening(self.now), epoch=probe.epoch, number=probe.number, standing=known))
            assert not self.attempt.is_open or self.attempt.escalations, "it was heard, so that its wait is over"

    def hear(self, event: Input) -> list[Probe]:
        before = self.attempt
        self.known = getattr(event, "standing", None)
        decision = decide(before, event, now=self.now, windows=WINDOWS)
        self.check(before, decision)
        again = decide(self.attempt, event, now=self.now, windows=WINDOWS)
        assert again.transitions == (), f"heard twice, {type(event).__name__} counts twice"
        assert again.commands == ()
        return [command for command in decision.commands if isinstance(command, Probe)]

    def check(self, before: Attempt | None, decision: Decision) -> None:
        assert (decision.idle is None) == bool(decision.transitions), "it says why nothing follows, and only then"
        for transition in decision.transitions:
            self.history.append(transition)
            if isinstance(transition, Moved):
                assert transition.sentence, "each move says what happened"
                assert transition.confidence is not None
                self.check_that_it_was_heard(transition)
            self.attempt = evolve(self.attempt, transition)
        for command in decision.commands:
            if isinstance(command, SendReset):
                self.resets.append(command)
                if command.number == 0:
                    assert before is None or before.reset is None
                else:
                    self.check_that_a_harder_reset_may_follow(before, command)
            elif isinstance(command, Probe):
                assert self.attempt.deadline.due == command.not_after, "it is waited for as long as it is asked"
                assert command.number == self.attempt.reset.number
            elif isinstance(command, Withdraw):
                self.withdrawals.append(command)
                assert (before.seen.sent_at, before.seen.answer) == (None, None), "it was known to be too late"
            else:
                self.armed.append(command)
        if before is not None and before.withdrawal is not None and before.withdrawal.answer is not None:
            assert self.attempt.withdrawal == before.withdrawal, "what was told stays"
        if before is not None and before.status in TERMINAL and before.status is not Status.LOST:
            assert self.attempt == before, "what is over stays over"
            assert decision.idle is Idle.OVER
        if before is not None and before.superseded:
            assert self.attempt == before, "what the charger does then may be because of the newer one"
        if before is not None and before.status is Status.LOST and self.attempt.status is not Status.LOST:
            assert self.attempt.revises == before.lost_version, "a revision names what it revises"
            assert self.attempt.status in {Status.RESTARTED, Status.NOT_RESTARTED}

    def check_that_it_was_heard(self, move: Moved) -> None:
        if move.verdict is not None and move.verdict.cause is Cause.IGNORED and move.verdict != self.attempt.former:
            assert "heard_at" in move.evidence[-1].params, "silence alone may be that of the bridge"

    def check_that_a_harder_reset_may_follow(self, before: Attempt, command: SendReset) -> None:
        assert before.is_open
        assert (command.number, before.reset.number) == (1, 0)
        assert command.strength is Strength.HARD
        assert self.attempt.escalations[-1].after in {"ignored", "rejected"}
        assert before.seen.drop_at is None or before.status is not Status.RESTARTING
        assert self.known.past is not None
        assert self.known.past.per_day > 0
        assert not self.known.past.ended_badly
        assert self.known.protocol == "ocpp1.6"
        assert self.known.situation.role is Role.ADMINISTRATOR
        assert self.known.situation.online
        assert not self.known.situation.updating_firmware

    @invariant()
    def one_reset_of_each_number_is_sent_and_none_when_something_blocks(self) -> None:
        assert [reset.number for reset in self.resets] == list(range(len(self.resets)))
        assert len(self.resets) <= 2
        if self.attempt is not None:
            assert len(self.attempt.escalations) == max(0, len(self.resets) - 1)
        if self.attempt is not None:
            assert bool(self.resets) == (self.attempt.reset is not None)
            if self.attempt.refusals:
                assert not self.resets

    @invariant()
    def what_was_decided_on_is_only_cancelled_when_the_bridge_says_that_it_was_not_sent(self) -> None:
        assert len(self.withdrawals) <= 1
        if self.attempt is not None and self.attempt.reset is not None:
            asked = self.attempt.withdrawal
            in_time = asked is not None and asked.answer == "withdrawn"
            assert (self.attempt.status is Status.CANCELLED) == in_time
            if in_time:
                assert self.attempt.cancelled_by == asked.asked_by
                assert self.withdrawals

    @invariant()
    def whatever_is_open_has_an_armed_deadline_of_its_own(self) -> None:
        if self.attempt is not None and self.attempt.is_open:
            waited = self.attempt.deadline
            assert waited is not None
            assert waited.waiting_for is self.attempt.status
            assert WakeMe(attempt_id=ATTEMPT_ID, deadline=waited) in self.armed

    @invariant()
    def whatever_is_over_has_a_verdict_and_nothing_else_has(self) -> None:
        if self.attempt is not None:
            assert (self.attempt.verdict is not None) == (self.attempt.status in TERMINAL)

    @invariant()
    def a_verdict_is_whole(self) -> None:
        verdict = self.attempt.verdict if self.attempt else None
        if verdict is not None:
            assert (verdict.cause is not None) == (verdict.outcome is Outcome.NOT_RESTARTED)
            restarted = verdict.outcome is Outcome.RESTARTED
            assert (verdict.health is not None) == restarted or (restarted and self.attempt.superseded)
            if verdict.confidence is Confidence.HIGH and verdict.outcome is Outcome.RESTARTED:
                assert verdict.missing == ()

    def the_history_alone_tells_the_present(self) -> None:
        attempt = None
        for version, transition in enumerate(self.history):
            attempt = evolve(attempt, transition)
            assert attempt.version == version
        assert attempt == self.attempt

    @invariant()
    def its_windows_are_those_of_its_sending(self) -> None:
        if self.attempt is not None and self.attempt.reset is not None:
            assert self.attempt.reset.waits == WINDOWS.waits(self.attempt.reset.expected) or self.attempt.escalations
            assert WINDOWS.of(self.attempt.reset.waits).drop <= WINDOWS.limits.drop.most

    @invariant()
    def what_was_interrupted_ran_when_it_was_sent(self) -> None:
        if self.attempt is not None and self.attempt.reset is not None:
            assert set(interrupted(self.attempt.seen, self.attempt.reset)) <= set(self.attempt.reset.running)

    @invariant()
    def what_is_stored_is_what_is_read(self) -> None:
        if self.attempt is not None:
            assert from_json(to_json(self.attempt)) == self.attempt

    def teardown(self) -> None:
        """Left alone, every attempt ends, and soon enough; and its history is the whole truth."""
        self.the_history_alone_tells_the_present()
        known = standing(online=False)
        for _ in range(8):
            if self.attempt is None or not self.attempt.is_open:
                return
            waited = self.attempt.deadline
            self.now = max(self.now, waited.due)
            facts = happening(waited.due) | {"waiting_for": waited.waiting_for, "number": waited.number}
            self.check(
                self.attempt,
                decide(self.attempt, DeadlinePassed(**facts, standing=known), now=self.now, windows=WINDOWS),
            )
        raise AssertionError(f"still open: {self.attempt}")


class ALostAttempt(OneAttempt):
    """One that was lost before anything else is heard."""

    @initialize()
    def a_person_asks(self) -> None:
        asked = Asked(requested_by="ada", requested_at=START)
        self.hear(
            Request(**happening(START), attempt_id=ATTEMPT_ID, charger_id=CHARGER_ID, asked=asked, standing=QUIET)
        )
        self.hear(Sent(**happening(START), epoch=FIRST))
        self.hear(Disconnected(**happening(START), epoch=FIRST, why="lost"))
        wake = self.armed[-1].deadline
        self.now = wake.due
        self.hear(DeadlinePassed(**happening(wake.due), waiting_for=wake.waiting_for, number=wake.number))
        assert self.attempt.status is Status.LOST


ALLOWING = st.builds(
    lambda past, protocol, role: replace(standing(protocol=protocol, role=role), past=past),
    past=PASTS.filter(lambda past: past is not None),
    protocol=st.sampled_from(["ocpp1.6", "ocpp1.6", "ocpp1.6", "ocpp2.0.1"]),
    role=st.sampled_from([*[Role.ADMINISTRATOR] * 4, Role.USER, None]),
)


class AnAttemptThatMayGoOn(OneAttempt):
    """One whose first Reset brought nothing, in a group that may allow a harder one."""

    @initialize(known=ALLOWING, rejects=st.booleans())
    def a_person_asks(self, known: Standing, rejects: bool) -> None:
        asked = Asked(requested_by="ada", requested_at=START)
        self.hear(
            Request(**happening(START), attempt_id=ATTEMPT_ID, charger_id=CHARGER_ID, asked=asked, standing=QUIET)
        )
        self.hear(Sent(**happening(START), epoch=FIRST))
        if rejects:
            self.hear(Rejected(**happening(START), epoch=FIRST, standing=known))
        else:
            self.nothing_happens_until_it_counts_as_ignored(known)
        expected = known.past is not None and known.past.per_day > 0 and known.protocol == "ocpp1.6"
        if not expected:
            assert not self.attempt.escalations

    @precondition(lambda self: self.attempt is not None and self.attempt.escalations and self.attempt.is_open)
    @rule(known=ALLOWING, number=st.integers(0, 1))
    def the_charger_rejects_it(self, known: Standing, number: int) -> None:
        self.hear(Rejected(**happening(self.now), epoch=FIRST, number=number, standing=known))

    def nothing_happens_until_it_counts_as_ignored(self, known: Standing) -> None:
        for _ in range(2):
            wake = self.attempt.deadline
            self.now = max(self.now, wake.due)
            facts = happening(wake.due) | {"waiting_for": wake.waiting_for, "number": wake.number}
            self.hear(DeadlinePassed(**facts, standing=known))
        self.hear(Probed(**happening(self.now), epoch=FIRST, standing=known))


AnAttemptThatMayGoOn.TestCase.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
TestAnAttemptThatMayGoOn = AnAttemptThatMayGoOn.TestCase
ALostAttempt.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestALostAttempt = ALostAttempt.TestCase
OneAttempt.TestCase.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
TestOneAttempt = OneAttempt.TestCase


MOMENTS = [START + timedelta(seconds=second) for second in range(1, 60)]


def topic_of(strategy: st.SearchStrategy[Input], most: int) -> st.SearchStrategy[list[Input]]:
    """What a topic holds, in the order of its moments."""
    told = st.lists(st.tuples(st.sampled_from(MOMENTS), strategy), max_size=most)
    return told.map(lambda pairs: [moved_to(at, event) for at, event in sorted(pairs, key=lambda pair: pair[0])])


@given(
    topics=st.tuples(
        topic_of(SENT | ACCEPTED, 2),
        topic_of(st.one_of(*COMINGS_AND_GOINGS), 4),
        topic_of(
            st.one_of(
                BOOTED,
                SECURITY,
                ENDED.map(lambda ended: replace(ended, idle=False)),
                REPORTED.map(lambda reported: replace(reported, error_code=None)),
            ),
            4,
        ),
    ),
    data=st.data(),
)
@settings(max_examples=100)
def test_the_order_in_which_topics_are_read_does_not_change_the_verdict(
    topics: tuple[list[Input], ...], data: st.DataObject
) -> None:
    """Each topic keeps its own order. Nobody rejects here: that ends an attempt at once, whatever follows."""
    asked = Asked(requested_by="ada", requested_at=START)
    request = Request(
        **happening(START), attempt_id=ATTEMPT_ID, charger_id=CHARGER_ID, asked=asked, standing=replace(QUIET)
    )
    slots = [index for index, messages in enumerate(topics) for _ in messages]
    one, other = (_heard(request, topics, data.draw(st.permutations(slots))) for _ in range(2))
    if Status.RESTARTED in {one.status, other.status}:
        return  # a loop of three boots ends an attempt at once
    assert one.seen == other.seen
    assert one.status is other.status


def _heard(request: Request, topics: tuple[list[Input], ...], order: list[int]) -> Attempt:
    rest = [iter(messages) for messages in topics]
    attempt: Attempt | None = None
    for event in [request, *(next(rest[index]) for index in order)]:
        for transition in decide(attempt, event, now=START + timedelta(seconds=60), windows=WINDOWS).transitions:
            assert not isinstance(transition, Moved) or attempt is not None
            attempt = evolve(attempt, transition)
    assert attempt is not None
    return attempt
