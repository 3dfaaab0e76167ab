"""Given what happened, when this happens, then …: the decider's tests read as sentences."""

from collections.abc import Callable

import pytest

from contracts.restart import Status, Verdict
from restart_orchestrator.inputs import Input
from restart_orchestrator.states import Attempt, Idle
from restart_orchestrator.story import DEFAULT_WINDOWS, Story, at


class Specification:
    """One sentence about an attempt."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.before = story

    def when(self, *inputs: Input) -> "Specification":
        self.before, self.story = self.story, self.story.tell(*inputs)
        return self

    def when_seconds_pass(self, until: float) -> "Specification":
        self.before, self.story = self.story, self.story.until(at(until))
        return self

    def when_nothing_more_happens(self) -> "Specification":
        self.before, self.story = self.story, self.story.to_the_end()
        return self

    def then(self, status: Status) -> Attempt:
        assert self.story.attempt is not None
        assert self.story.attempt.status is status
        return self.story.attempt

    def then_verdict(self, status: Status, **expected: object) -> Verdict:
        verdict = self.then(status).verdict
        assert verdict is not None
        assert {name: getattr(verdict, name) for name in expected} == expected
        return verdict

    def then_nothing_happened(self, why: Idle) -> None:
        assert self.story.attempt == self.before.attempt
        assert self.story.last.idle is why
        assert self.story.last.transitions == self.story.last.commands == ()


@pytest.fixture
def given() -> Callable[..., Specification]:
    """What happened so far. `answering`: a charger that is asked for answers at once; else the bridge has died."""
    return lambda *inputs, windows=DEFAULT_WINDOWS, answering=True: Specification(
        Story(windows=windows, answering=answering).tell(*inputs)
    )
