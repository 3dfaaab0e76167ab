"""A request is taken back while its Reset is on its way: in every order of what happens one of the two has won.

The bridges are a model here: one row in a ledger, instances that read the commands from the beginning again whenever
they like, and die between any two steps. What each of them says is true and comes late. The decider is the real one.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.restart import Status
from contracts.words import Role
from restart_orchestrator.attempt import decide
from restart_orchestrator.inputs import (
    Accepted,
    Cancel,
    DeadlinePassed,
    Input,
    NotDelivered,
    NotWithdrawn,
    Sent,
    Unanswered,
    Withdrawn,
)
from restart_orchestrator.states import Attempt, SendReset, Withdraw, evolve
from restart_orchestrator.story import RESET_ON, START, requested
from restart_orchestrator.windows import Windows

WINDOWS = Windows()
CLAIMED = "claimed"
INSTANCES = st.integers(0, 1)


@dataclass
class Instance:
    """A bridge: how far it has read, and what it has not come to yet."""

    read: int = 0
    resets: int = 0
    to_say: list[Input] = field(default_factory=list)

    def die(self) -> None:
        """It starts anew, and reads all of the commands again."""
        self.read, self.resets, self.to_say = 0, 0, []


class ARace(RuleBasedStateMachine):
    """One request `now`, taken back at any time, by one person or two."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.attempt: Attempt | None = None
        self.commands: list[SendReset | Withdraw] = []
        self.row: str | None = None
        self.frames = 0
        self.instances = [Instance(), Instance()]
        self.answers: list[Input] = []
        self.heard = 0
        self.told: list[str] = []

    @initialize()
    def a_person_asks(self) -> None:
        self.hear(requested())

    def hear(self, event: Input) -> None:
        decision = decide(self.attempt, event, now=self.now, windows=WINDOWS)
        for transition in decision.transitions:
            self.attempt = evolve(self.attempt, transition)
            if self.attempt.withdrawal is not None and self.attempt.withdrawal.answer is not None:
                self.told.append(self.attempt.withdrawal.answer)
        self.commands += [each for each in decision.commands if isinstance(each, SendReset | Withdraw)]

    def facts(self) -> dict[str, object]:
        self.now += timedelta(milliseconds=1)
        return {"event_id": uuid4(), "at": self.now, "epoch": RESET_ON}

    # --- people

    @rule(by=st.sampled_from(["ada", "grace"]))
    def someone_takes_it_back(self, by: str) -> None:
        self.hear(Cancel(event_id=uuid4(), at=self.now, cancelled_by=by, role=Role.ADMINISTRATOR))

    # --- bridges

    @rule(of=INSTANCES)
    def an_instance_reads_a_command(self, of: int) -> None:
        bridge = self.instances[of]
        if bridge.read == len(self.commands):
            return
        command = self.commands[bridge.read]
        bridge.read += 1
        if isinstance(command, SendReset):
            bridge.resets += 1
            return
        self.row = self.row or "withdrawn"
        answer = NotWithdrawn if self.row == CLAIMED else Withdrawn
        bridge.to_say.append(answer(**self.facts()))

    @precondition(lambda self: self.instances[0].resets)
    @rule(dies=st.sampled_from([None, None, None, "before the frame", "after the frame"]))
    def the_holder_comes_to_a_reset(self, dies: str | None) -> None:
        bridge = self.instances[0]
        bridge.resets -= 1
        if self.row is not None:
            return
        self.row = CLAIMED
        if dies == "before the frame":
            bridge.die()
        else:
            self.frames += 1
            bridge.to_say += [Sent(**self.facts()), Accepted(**self.facts(), answer_epoch=RESET_ON)]
        if dies == "after the frame":
            bridge.die()
        if dies is not None:
            bridge.to_say.append(Unanswered(**self.facts(), why="bridge_lost"))

    @precondition(lambda self: self.instances[0].resets)
    @rule()
    def the_holder_comes_to_a_reset_too_late(self) -> None:
        bridge = self.instances[0]
        bridge.resets -= 1
        if self.row in (None, "expired"):
            self.row = "expired"
            bridge.to_say.append(NotDelivered(**self.facts(), why="expired"))

    @rule(of=INSTANCES)
    def an_instance_dies(self, of: int) -> None:
        kept = [said for said in self.instances[of].to_say if isinstance(said, Unanswered)]
        self.instances[of].die()
        self.instances[of].to_say = kept

    @precondition(lambda self: any(bridge.to_say for bridge in self.instances))
    @rule(data=st.data())
    def an_instance_says_what_it_knows(self, data) -> None:
        bridge = data.draw(st.sampled_from([each for each in self.instances if each.to_say]))
        self.answers.append(bridge.to_say.pop(data.draw(st.integers(0, len(bridge.to_say) - 1))))

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def the_orchestrator_reads_an_answer(self, data) -> None:
        """The next one; or one that it has read before."""
        at = data.draw(st.integers(0, min(self.heard, len(self.answers) - 1)))
        self.heard = max(self.heard, at + 1)
        self.hear(self.answers[at])

    @rule()
    def the_time_is_up(self) -> None:
        waited = self.attempt.deadline
        if waited is None or self.row is None:
            return  # no bridge at all has come to it: what holds then is not a matter of this race
        self.now = max(self.now, waited.due)
        self.hear(
            DeadlinePassed(
                event_id=uuid4(), at=waited.due, waiting_for=waited.waiting_for, number=waited.number, standing=None
            )
        )

    # --- what holds

    @invariant()
    def one_of_the_two_has_won(self) -> None:
        assert self.frames <= 1
        assert not (self.frames and self.row != CLAIMED), "a frame without a claim"
        if self.attempt is not None and self.attempt.status is Status.CANCELLED:
            assert self.row != CLAIMED, "it is called cancelled, and its Reset was claimed"

    @invariant()
    def everyone_is_told_one_and_the_same(self) -> None:
        assert len(set(self.told)) <= 1
        if "withdrawn" in self.told:
            assert self.attempt.status is Status.CANCELLED
        if "too_late" in self.told:
            assert self.row == CLAIMED
            assert self.attempt.status is not Status.CANCELLED

    def teardown(self) -> None:
        """When all has been read and said, nobody waits for an answer any more, whoever died meanwhile."""
        if self.attempt is None:
            return
        for bridge in self.instances:
            bridge.die()
        while any(bridge.read < len(self.commands) for bridge in self.instances):
            for of in range(len(self.instances)):
                self.an_instance_reads_a_command(of)
        for bridge in self.instances:
            self.answers += bridge.to_say
        for answer in self.answers:
            self.hear(answer)
        asked = self.attempt.withdrawal
        if asked is not None and self.attempt.is_open:
            assert asked.answer == "too_late"
        self.one_of_the_two_has_won()
        self.everyone_is_told_one_and_the_same()


ARace.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
TestARace = ARace.TestCase
