"""Draws architecture/restart-attempt.md from the decider: `python -m restart_orchestrator.atlas > that file`."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import timedelta

from contracts.ocpp import ConnectorState
from contracts.restart import TERMINAL, RefusalReason, Status, When
from contracts.words import Role
from restart_orchestrator.inputs import Input
from restart_orchestrator.story import (
    DEFAULT_WINDOWS,
    ESCALATING,
    QUIET,
    RESET_ON,
    Story,
    accepted,
    at,
    booted,
    cancelled,
    changed,
    connected,
    dropped,
    not_delivered,
    not_withdrawn,
    probed,
    rejected,
    requested,
    scheduled,
    security_event,
    sent,
    standing,
    status,
    superseded,
    transaction_ended,
    unanswered,
    unsupported,
    withdrawn,
)
from restart_orchestrator.verdicts import AFTER, ASKED, AWAY, BACK, BOOTED, CHARGING, SILENCE, VERDICTS, WAITS

T = 400.0
"""When the input of the transition table is heard, in seconds after the request."""

OFFLINE = standing(online=False)
REFUSED_TO = standing(role=Role.USER)
ASKED_FOR = SILENCE.tell(*ASKED).until(at(61))
RETURNED = SILENCE.tell(*BACK)
UNHEARD = SILENCE.tell(requested())
ASKED_BACK = UNHEARD.tell(cancelled(0.005))

STATES: dict[str, Story] = {
    "requested": Story(),
    "queued": SILENCE.tell(requested(When.ONLINE, by=OFFLINE)),
    "awaiting_idle (held by us)": SILENCE.tell(requested(When.IDLE, by=CHARGING)),
    "dispatching": SILENCE.tell(requested(), sent()),
    "awaiting_idle (scheduled by the charger)": SILENCE.tell(*WAITS),
    "awaiting_drop": SILENCE.tell(*ASKED),
    "restarting": SILENCE.tell(*AWAY),
    "checking": SILENCE.tell(*BOOTED),
    "lost": SILENCE.tell(*AWAY).until(at(310)),
}

INPUTS: dict[str, Callable[[], Input]] = {
    "a free request": requested,
    "a request that something blocks": lambda: requested(by=REFUSED_TO),
    "a request to wait for an offline charger": lambda: requested(When.ONLINE, by=OFFLINE),
    "a request to wait for a charging 1.6 charger": lambda: requested(When.IDLE, by=CHARGING),
    "it is taken back": lambda: cancelled(T),
    "nothing stands in the way any more": lambda: changed(T, QUIET),
    "the person lost the right": lambda: changed(T, REFUSED_TO),
    "ResetSent": lambda: sent(0.02),
    "ResetAccepted": lambda: accepted(0.03),
    "ResetScheduled": lambda: scheduled(0.03),
    "ResetRejected": lambda: rejected(0.03),
    "ResetRejected, where the group allows a harder one": lambda: rejected(0.03, by=ESCALATING),
    "ResetUnsupported": lambda: unsupported(0.03),
    "ResetUnanswered": lambda: unanswered(30),
    "the Reset's session ends": lambda: dropped(11),
    "a new session opens": lambda: connected(95),
    "an unsolicited boot on a new session": lambda: booted(96),
    "a boot on the Reset's session, or one we asked for": lambda: booted(20, RESET_ON),
    "a security event of a reset on a new session": lambda: security_event(97, "ResetOrReboot"),
    "the last transaction ends": lambda: transaction_ended(30),
    "a status with errorCode ResetFailure": lambda: status(
        30, ConnectorState.FAULTED, RESET_ON, connector="0/0", error="ResetFailure"
    ),
    "a connector's status on a new session": lambda: status(98, ConnectorState.OCCUPIED),
    "a newer attempt's Reset is decided on": lambda: superseded(T),
}
DEADLINE = "its deadline passes"

LATER: dict[str, dict[str, Story]] = {
    "dispatching": {
        "it is taken back before anything is heard of the Reset": ASKED_BACK,
        "ResetWithdrawn, after that": ASKED_BACK.tell(withdrawn()),
        "ResetNotDelivered, after that": ASKED_BACK.tell(not_delivered()),
        "ResetNotWithdrawn, or what proves that the Reset was claimed, after that": ASKED_BACK.tell(not_withdrawn()),
        "ResetNotDelivered, before anything else": UNHEARD.tell(not_delivered()),
    },
    "awaiting_drop": {
        "ChargerProbed, once its deadline has passed": ASKED_FOR.tell(probed(62)),
        "the same, but a clock was put forward, and its time is not over": ASKED_FOR.tell(probed(62, lasted=20.0)),
        "the same, where the group allows a harder Reset": ASKED_FOR.tell(probed(62, by=ESCALATING)),
        "neither that nor anything else for a boot window": ASKED_FOR.until(at(362)),
    },
    "restarting": {
        "its deadline passes after its return": RETURNED.until(at(310)),
        "ChargerProbed, once that has passed": RETURNED.until(at(310)).tell(probed(311, AFTER)),
        "neither that nor anything else for a boot window": RETURNED.until(at(611)),
    },
    "checking": {"a third boot": Story().tell(*BOOTED, booted(110, AFTER + 1), booted(130, AFTER + 2))},
    "lost": {
        "its time to boot passes after its return": SILENCE.tell(*AWAY, connected(3600)).until(at(3900)),
        "ChargerProbed, once that has passed": Story().tell(*AWAY, connected(3600)).until(at(3900)),
        "its grace time passes after its boot": Story().tell(*AWAY, connected(3600), booted(3601)).to_the_end(),
        "a newer attempt's Reset is decided on after its boot": Story().tell(
            *AWAY, connected(3600), booted(3601), superseded(3610)
        ),
    },
}
"""What takes more than one input."""

_ABOUT_STATES = (
    "`requested` is the request itself, on its way: the first thing that is said of an attempt is where it went from",
    "there. Every order of the topics is accepted, so the state is where all that was seen puts the attempt.",
)
_ABOUT_INPUTS = (
    "*stays* is a move of its own: the evidence is noted. What is left out has no bearing on that state, or was known.",
    "A deadline names the wait that it ends; for any other it has no bearing. A finished attempt never moves again,",
    "but that a lost one is judged once more, for a day and by what is heard before a newer attempt's Reset is decided",
    "on. An attempt that only waits takes no news from a lost one: both hear them. Before silence is held against a",
    "charger its session is probed: it may be the bridge that is silent. Only a charger that answers a ping ignored",
    "the Reset, or did not boot.",
)


_LEARNED = {
    "drop": "the Reset to the end of the session",
    "boot": "the end of the session to the boot",
    "grace": "the boot to the last connector",
}
_ABOUT_WAITS = (
    "They are decided when the Reset is, and kept with it. The least gives way to a setting that is shorter.",
    "`usual_away` is then what half of the restarts took from the end of the session to the boot.",
)


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    windows = DEFAULT_WINDOWS
    yield "# A restart attempt"
    yield ""
    yield "Drawn from the decider by `python -m restart_orchestrator.atlas`, and compared by a test: change the code."
    yield ""
    yield "## States"
    yield ""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield from sorted({f"    {_node(before)} --> {_node(after)}" for before, _, after in _changes()})
    yield from (f"    {name} --> [*]" for name in sorted({_node(each.value) for each in TERMINAL}))
    yield "```"
    yield ""
    yield from _ABOUT_STATES
    yield ""
    yield "## What each input does"
    yield ""
    yield from _ABOUT_INPUTS
    yield ""
    yield "| in | when | then |"
    yield "|---|---|---|"
    yield from (f"| {before} | {event} | {after} |" for before, event, after in _cells())
    yield ""
    yield "## Verdicts"
    yield ""
    yield "| seen | status | cause | confidence | health | missing |"
    yield "|---|---|---|---|---|---|"
    yield from (_verdict_row(seen, story) for seen, story in VERDICTS)
    yield ""
    yield "## Refusals"
    yield ""
    yield f"All that block are named, not the first: {', '.join(f'`{reason.value}`' for reason in RefusalReason)}."
    yield ""
    yield "## Waits"
    yield ""
    yield "| wait | default, seconds |"
    yield "|---|---|"
    for wait in fields(windows):
        if wait.type is timedelta:
            yield f"| {wait.name} | {round(getattr(windows, wait.name).total_seconds())} |"
    yield ""
    limits = windows.limits
    yield f"Where enough restarts of a model were seen, three waits are {limits.factor:g} times what 95 in 100 took:"
    yield ""
    yield "| wait | learned from | least | most |"
    yield "|---|---|---|---|"
    for name, learned_from in _LEARNED.items():
        bounds = getattr(limits, name)
        least, most = round(bounds.least.total_seconds()), round(bounds.most.total_seconds())
        yield f"| {name} | {learned_from} | {least} | {most} |"
    yield ""
    yield from _ABOUT_WAITS


def _cells() -> Iterator[tuple[str, str, str]]:
    for name, story in STATES.items():
        for event, make in INPUTS.items():
            after = story.tell(make()) if name == "requested" else _heard(story, make())
            if after.attempt is None or after.attempt == story.attempt:
                continue
            yield name, event, _then(story, after)
        if story.attempt is not None and story.attempt.deadline is not None:
            yield name, DEADLINE, _then(story, story.until(story.attempt.deadline.due))
        for event, story_then in LATER.get(name, {}).items():
            yield name, event, _then(story, story_then)


def _then(story: Story, after: Story) -> str:
    before, now = story.attempt, after.attempt
    assert now is not None  # noqa: S101 for the type checker: every story begins with a request
    if before is None or (before.status, before.escalations) != (now.status, now.escalations):
        return f"**{_where(after)}**"
    if now.superseded:
        return "*stays*, for good"
    if len(after.probes) > len(story.probes):
        return "*stays*; the charger is probed"
    if now.withdrawal is None or now.withdrawal == before.withdrawal:
        return "*stays*"
    if now.withdrawal.answer is None:
        return "*stays*; the bridge is asked to withdraw the Reset"
    return "*stays*; the record says that it is too late"


def _heard(story: Story, event: Input) -> Story:
    return story.hear(event, now=max(story.now, event.at))


def _changes() -> Iterator[tuple[str, str, str]]:
    for before, event, after in _cells():
        if after.startswith("**"):
            yield before, event, after.strip("*")


def _where(story: Story) -> str:
    assert story.attempt is not None  # noqa: S101 for the type checker: every story begins with a request
    attempt = story.attempt
    if attempt.status is Status.AWAITING_IDLE:
        return "awaiting_idle (held by us)" if attempt.reset is None else "awaiting_idle (scheduled by the charger)"
    return f"{attempt.status.value} (a harder Reset)" if attempt.escalations else attempt.status.value


def _node(name: str) -> str:
    return name.partition(" ")[0]


def _verdict_row(seen: str, story: Story) -> str:
    attempt = story.to_the_end().attempt
    assert attempt is not None  # noqa: S101 for the type checker
    verdict = attempt.verdict
    assert verdict is not None  # noqa: S101 for the type checker: every story ends
    cells = (
        seen,
        attempt.status.value,
        verdict.cause.value if verdict.cause else "",
        verdict.confidence.value,
        verdict.health.value if verdict.health else "",
        ", ".join(link.value for link in verdict.missing),
    )
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(page())
