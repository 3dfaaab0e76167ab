"""When a harder Reset follows, and when none does: in every situation, and whichever single guard is left out, it shows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings, strategies as st

from contracts.availability import Situation
from contracts.ocpp import ConnectorState
from contracts.restart import RefusalReason, Strength, When
from contracts.words import Role
from restart_orchestrator import attempt, escalation
from restart_orchestrator.evidence import ignored
from restart_orchestrator.inputs import Input, Past, Standing
from restart_orchestrator.states import SendReset
from restart_orchestrator.story import (
    CONNECTOR,
    FEATURES,
    QUIET,
    RESET_ON,
    Story,
    accepted,
    at,
    booted,
    cancelled,
    connected,
    dropped,
    not_delivered,
    rejected,
    requested,
    sent,
    status,
    unanswered,
    unsupported,
)

FIRST_BROUGHT_NOTHING = {"rejected": "rejected", "ignored": "ignored", "ignored without an answer": "ignored"}
ENDS: dict[str, tuple[Input, ...]] = {
    "rejected": (sent(), rejected()),
    "ignored": (sent(), accepted()),
    "ignored without an answer": (sent(), unanswered()),
    "lost": (sent(), accepted(), dropped(10)),
    "lost, and back without a boot": (sent(), accepted(), dropped(10), connected(3600)),
    "silence of every bridge": (sent(), accepted()),
    "a blip": (sent(), accepted(), dropped(10), connected(20)),
    "unsupported": (sent(), unsupported()),
    "not delivered": (not_delivered(),),
    "nobody said anything": (),
    "a failure of its own": (sent(), status(1, ConnectorState.FAULTED, RESET_ON, error="ResetFailure")),
    "restarted": (sent(), accepted(), dropped(10), connected(20), booted(21), status(22)),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """How the first Reset ended, and what is known at that moment. By default a harder one follows.

    Attributes:
        escalated, booted: so long ago, in hours and in minutes.
        update: how long ago the charger said that it updates its firmware, in hours.
        same_session: the charger is still on the session of the first Reset.
        wanted_back: somebody wanted to take the request back, too late.
    """

    end: str = "rejected"
    strength: Strength = Strength.AUTO
    when: When = When.NOW
    interrupt: bool = False
    wanted_back: bool = False
    per_day: int = 2
    escalated: tuple[float, ...] = ()
    booted: tuple[float, ...] = ()
    ended_badly: bool = False
    protocol: str = "ocpp1.6"
    role: Role | None = Role.ADMINISTRATOR
    features: frozenset[str] = FEATURES
    online: bool = True
    charging: bool = False
    update: float | None = None
    same_session: bool = True

    def may_follow(self) -> bool:
        """By the words of the rule alone."""
        blocked = (
            self.role not in {Role.ADMINISTRATOR, Role.SUPER_ADMINISTRATOR}
            or not self.features
            or not self.online
            or (self.charging and not (self.interrupt and self.when is When.NOW))
            or (self.update is not None and self.update < 2)
        )
        return (
            self.end in FIRST_BROUGHT_NOTHING
            and self.strength is not Strength.HARD
            and not self.wanted_back
            and self.protocol == "ocpp1.6"
            and sum(hours < 24 for hours in self.escalated) < self.per_day
            and sum(minutes < 60 for minutes in self.booted) < 3
            and not self.ended_badly
            and self.same_session
            and not blocked
        )

    def known(self) -> Standing:
        situation = Situation(
            role=self.role,
            plan="business",
            features=self.features,
            model="Model X",
            abilities=FEATURES,
            online=self.online,
            transactions=(CONNECTOR,) if self.charging else (),
            updating_firmware=self.update is not None,
        )
        past = Past(
            per_day=self.per_day,
            escalated_at=tuple(at(-3600 * hours) for hours in self.escalated),
            booted_at=tuple(at(-60 * minutes) for minutes in self.booted),
            ended_badly=self.ended_badly,
        )
        return replace(
            QUIET,
            situation=situation,
            protocol=self.protocol,
            epoch=RESET_ON if self.same_session else RESET_ON + 1,
            firmware_news_at=None if self.update is None else at(-3600 * self.update),
            past=past,
        )

    def story(self) -> Story:
        """The whole of it: nothing more happens after the first Reset, nor after a harder one."""
        asked = requested(self.when, strength=self.strength, interrupt_charging=self.interrupt)
        story = Story(answering=self.end != "silence of every bridge").tell(asked)
        story = replace(story, standing=self.known())
        back = (cancelled(0.015),) if self.wanted_back and self.end != "not delivered" and ENDS[self.end] else ()
        first, *rest = ENDS[self.end] or (None,)
        told = [first, *back, *rest] if first else []
        return story.tell(*(self._with_standing(event) for event in told)).to_the_end()

    def _with_standing(self, event: Any) -> Input:
        return replace(event, standing=self.known()) if hasattr(event, "standing") else event


IN_THE_WAY: dict[str, tuple[Any, ...]] = {
    "strength": (Strength.SOFT, Strength.HARD),
    "when": (When.IDLE,),
    "interrupt": (True,),
    "wanted_back": (True,),
    "per_day": (0, 1, 3),
    "escalated": ((0.5,), (0.5, 12), (23.5, 0.5), (24.5, 0.5), (40, 24.5, 23.5)),
    "booted": ((1,), (1, 30), (1, 30, 55), (1, 30, 65), (65, 70, 80), (200, 65, 1)),
    "ended_badly": (True,),
    "protocol": ("ocpp2.0.1", "ocpp2.1"),
    "role": (Role.SUPER_ADMINISTRATOR, Role.OPERATOR, Role.USER, None),
    "features": (frozenset(),),
    "online": (False,),
    "charging": (True,),
    "update": (0.1, 1.5, 2.5),
    "same_session": (False,),
}
"""What may stand in the way, or look so; mostly it is little, so that each single thing shows."""
CASES = st.builds(
    lambda end, found: Case(end=end, **dict(found)),
    st.sampled_from([*FIRST_BROUGHT_NOTHING, *FIRST_BROUGHT_NOTHING, *ENDS]),
    st.lists(
        st.sampled_from([(name, value) for name, values in IN_THE_WAY.items() for value in values]),
        max_size=4,
        unique_by=lambda pair: pair[0],
    ),
)


def as_it_must(case: Case) -> bool:
    """A harder Reset follows exactly when it may, once, and the attempt's story says after what."""
    story = case.story()
    assert story.attempt is not None
    resets: list[SendReset] = list(story.resets)
    after = [one.after for one in story.attempt.escalations]
    if not case.may_follow():
        return len(resets) == 1 and after == []
    numbers = [(reset.number, reset.strength) for reset in resets]
    return numbers == [(0, case.strength), (1, Strength.HARD)] and after == [FIRST_BROUGHT_NOTHING[case.end]]


@given(case=CASES)
@settings(max_examples=400, deadline=None)
def test_a_harder_reset_follows_exactly_when_it_may(case: Case) -> None:
    assert as_it_must(case)


# --- that it bites -----------------------------------------------------------------------------------------------------


def asked_otherwise(**changes: Callable[..., Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """The guards see something else than there is: each of `changes` is told what there is."""
    real = escalation.what_is_against

    def what_is_against(tried: Any, reset: Any, standing: Any, past: Any, **rest: Any) -> str | None:
        seen = {"tried": tried, "reset": reset, "standing": standing, "past": past}
        seen |= {name: change(seen[name]) for name, change in changes.items()}
        return real(seen["tried"], seen["reset"], seen["standing"], seen["past"], **rest)

    return lambda patch: patch.setattr(escalation, "what_is_against", what_is_against)


def never_blocked_by(*reasons: RefusalReason) -> Callable[[pytest.MonkeyPatch], None]:
    real: Callable[..., Any] = escalation.blocked_by
    return lambda patch: patch.setattr(
        escalation,
        "blocked_by",
        lambda *given_in, **rest: tuple(one for one in real(*given_in, **rest) if one.reason not in reasons),
    )


def even_of_a_lost_charger(patch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = attempt.was_there

    def was_there(tried: Any, reset: Any, event: Any, now: Any, windows: Any) -> Any:
        if tried.lost_at is not None:
            verdict = ignored(tried.seen, reset)
            return escalation.conclude(tried, reset, event, verdict, now=now, windows=windows)
        return real(tried, reset, event, now, windows)

    patch.setattr(attempt, "was_there", was_there)


GUARDS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "never after lost": even_of_a_lost_charger,
    "never during a firmware update": never_blocked_by(RefusalReason.UPDATING_FIRMWARE),
    "an update is believed for two hours": lambda patch: patch.setattr(
        escalation, "believed", lambda standing, *_: standing
    ),
    "at most so many a day": lambda patch: patch.setattr(escalation, "A_DAY", timedelta(0)),
    "a day has 24 hours": lambda patch: patch.setattr(escalation, "A_DAY", timedelta(hours=20)),
    "no more boots than these": lambda patch: patch.setattr(escalation, "TOO_MANY_BOOTS", 100),
    "boots of the last hour": lambda patch: patch.setattr(escalation, "AN_HOUR", timedelta(minutes=40)),
    "and no others": lambda patch: patch.setattr(escalation, "AN_HOUR", timedelta(hours=2)),
    "not after a bad end": asked_otherwise(past=lambda past: replace(past, ended_badly=False)),
    "off by default": asked_otherwise(past=lambda past: replace(past, per_day=past.per_day or 1)),
    "not on 2.x": lambda patch: patch.setattr(escalation, "schedules_itself", lambda _: False),
    "on the same session": asked_otherwise(standing=lambda standing: replace(standing, epoch=RESET_ON)),
    "with the right": never_blocked_by(RefusalReason.ROLE, RefusalReason.NOT_A_MEMBER),
    "with the plan": never_blocked_by(RefusalReason.PLAN),
    "not offline": never_blocked_by(RefusalReason.OFFLINE),
    "not while it charges": never_blocked_by(RefusalReason.CHARGING),
    "not after a hard one": asked_otherwise(
        tried=lambda tried: replace(tried, asked=replace(tried.asked, strength=Strength.SOFT))
    ),
    "not what was to be taken back": asked_otherwise(tried=lambda tried: replace(tried, withdrawal=None)),
    "only once": asked_otherwise(reset=lambda reset: replace(reset, number=max(0, reset.number - 1))),
}


@pytest.mark.parametrize("guard", GUARDS)
def test_each_guard_that_is_left_out_is_found(guard: str, monkeypatch: pytest.MonkeyPatch) -> None:
    GUARDS[guard](monkeypatch)
    looking = settings(max_examples=2000, phases=[Phase.generate], database=None, derandomize=True, deadline=None)
    found = find(CASES, lambda case: not as_it_must(case), settings=looking)
    assert not as_it_must(found)
