"""Draws architecture/restart-attempt.md from the decider: `python -m restart_orchestrator.atlas > that file`."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace

from contracts.ocpp import ConnectorState
from contracts.restart import TERMINAL, RefusalReason, Status, When
from contracts.words import Role
from restart_orchestrator.inputs import Input
from restart_orchestrator.story import (
    CONNECTOR,
    DEFAULT_WINDOWS,
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
    rejected,
    requested,
    scheduled,
    security_event,
    sent,
    standing,
    status,
    transaction_ended,
    unanswered,
    unsupported,
)

OFFLINE = standing(online=False)
CHARGING = standing(transactions=(CONNECTOR,))
ON_2 = standing(CHARGING, protocol="ocpp2.0.1")
NEVER_BOOTS = replace(QUIET, boots_on_return=False)
REFUSED_TO = standing(role=Role.USER)

ASKED = (requested(), sent(), accepted())
AWAY = (*ASKED, dropped(10))
BACK = (*AWAY, connected(90))
BOOTED = (*BACK, booted(91), status(92))
WAITS = (requested(When.IDLE, by=ON_2, expires=7200), sent(), scheduled())
AFTER = RESET_ON + 1
T = 400.0
"""When the input of the transition table is heard, in seconds after the request."""

STATES: dict[str, Story] = {
    "requested": Story(),
    "queued": Story().tell(requested(When.ONLINE, by=OFFLINE)),
    "awaiting_idle (held by us)": Story().tell(requested(When.IDLE, by=CHARGING)),
    "dispatching": Story().tell(requested(), sent()),
    "awaiting_idle (scheduled by the charger)": Story().tell(*WAITS),
    "awaiting_drop": Story().tell(*ASKED),
    "restarting": Story().tell(*AWAY),
    "checking": Story().tell(*BOOTED),
    "lost": Story().tell(*AWAY).until(at(310)),
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
    "ResetUnsupported": lambda: unsupported(0.03),
    "ResetUnanswered": lambda: unanswered(30),
    "ResetNotDelivered": lambda: not_delivered(0.03),
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
}
DEADLINE = "its deadline passes"

LATER: dict[str, dict[str, Story]] = {
    "checking": {"a third boot": Story().tell(*BOOTED, booted(110, AFTER + 1), booted(130, AFTER + 2))},
    "lost": {
        "its time to boot passes after its return": Story().tell(*AWAY, connected(3600)).to_the_end(),
        "its grace time passes after its boot": Story().tell(*AWAY, connected(3600), booted(3601)).to_the_end(),
    },
}
"""What takes more than one input."""

VERDICTS: tuple[tuple[str, Story], ...] = (
    ("boot reason RemoteReset or ScheduledReset", Story().tell(*BACK, booted(91, reason="RemoteReset"), status(92))),
    (
        "security event ResetOrReboot or StartupOfTheDevice on a new session",
        Story().tell(*BACK, security_event(91, "StartupOfTheDevice"), status(92)),
    ),
    (
        "a transaction ended by HardReset, SoftReset or ImmediateReset, then a boot",
        Story().tell(*ASKED, transaction_ended(1, "SoftReset"), dropped(10), connected(90), booted(91), status(92)),
    ),
    (
        "Accepted, gone, an unsolicited boot on a session opened after the Reset, whatever its reason",
        Story().tell(*BACK, booted(91, reason="PowerUp"), status(92)),
    ),
    (
        "the same without an answer",
        Story().tell(requested(), sent(), dropped(10), unanswered(10), connected(90), booted(91), status(92)),
    ),
    ("the same, the drop not seen, or not the charger's", Story().tell(*ASKED, connected(30), booted(31), status(32))),
    (
        "the same, the answer only after the return",
        Story().tell(requested(), sent(), dropped(10), connected(90), booted(91), status(92), accepted(93, on=AFTER)),
    ),
    (
        "a boot that names another cause: Watchdog, LocalReset, FirmwareUpdate, ApplicationReset",
        Story().tell(*BACK, booted(91, reason="Watchdog"), status(92)),
    ),
    (
        "one EVSE of 2.x: Accepted, its connectors unavailable and back, no boot needed",
        Story().tell(
            requested(by=replace(ON_2, situation=QUIET.situation), evse_id=1),
            sent(),
            accepted(),
            status(1, ConnectorState.UNAVAILABLE, RESET_ON),
            status(2, session=RESET_ON),
        ),
    ),
    (
        "booted, but a connector is faulted, silent or not back to what it was",
        Story().tell(*BACK, booted(91), status(92, ConnectorState.FAULTED)),
    ),
    ("booted, and gone again in the grace time", Story().tell(*BOOTED, dropped(100, AFTER))),
    ("booted three times", Story().tell(*BOOTED, booted(110, AFTER + 1), booted(130, AFTER + 2))),
    ("a boot on the Reset's own session: no evidence", Story().tell(*ASKED, booted(20, RESET_ON))),
    ("gone and back, no boot until the window closes", Story().tell(*BACK)),
    (
        "the same, but we ended the session ourselves",
        Story().tell(*ASKED, dropped(10, why="bridge_lost"), connected(90)),
    ),
    (
        "the same, from a charger that was never seen to boot: away for about its usual time",
        Story().tell(requested(by=NEVER_BOOTS), sent(), accepted(), dropped(10), connected(90), status(91)),
    ),
    (
        "the same, away for less than half of it",
        Story().tell(requested(by=NEVER_BOOTS), sent(), accepted(), dropped(10), connected(20)),
    ),
    ("no drop, and the session still there at the end of the window", Story().tell(*ASKED)),
    ("Rejected", Story().tell(requested(), sent(), rejected())),
    ("CALLERROR NotSupported or NotImplemented", Story().tell(requested(), sent(), unsupported())),
    (
        "1.6 StatusNotification with errorCode ResetFailure",
        Story().tell(*ASKED, status(30, ConnectorState.FAULTED, RESET_ON, error="ResetFailure")),
    ),
    ("the bridge says that nothing was sent", Story().tell(requested(), not_delivered())),
    ("no bridge says anything until the command is void", Story().tell(requested())),
    ("gone and not back by the deadline", Story().tell(*AWAY)),
    (
        "lost, and back with a boot within a day: judged once more",
        Story().tell(*AWAY, connected(3600), booted(3601), status(3602)),
    ),
    ("lost, and back without a boot within a day: judged once more", Story().tell(*AWAY, connected(3600))),
    ("Scheduled, and the requester's time is over first", Story().tell(*WAITS)),
)


_ABOUT_STATES = (
    "`requested` is the request itself, on its way: the first thing that is said of an attempt is where it went from",
    "there. Every order of the topics is accepted, so the state is where all that was seen puts the attempt.",
)
_ABOUT_INPUTS = (
    "*stays* is a move of its own: the evidence is noted. What is left out has no bearing on that state, or was known.",
    "A deadline names the wait that it ends; for any other it has no bearing. A finished attempt never moves again,",
    "but that a lost one is judged once more.",
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
        yield f"| {wait.name} | {round(getattr(windows, wait.name).total_seconds())} |"


def _cells() -> Iterator[tuple[str, str, str]]:
    for name, story in STATES.items():
        for event, make in INPUTS.items():
            after = story.tell(make()) if name == "requested" else _heard(story, make())
            if after.attempt is None or after.attempt == story.attempt:
                continue
            moved = story.attempt is None or after.attempt.status is not story.attempt.status
            yield name, event, f"**{_where(after)}**" if moved else "*stays*"
        if story.attempt is not None and story.attempt.deadline is not None:
            yield name, DEADLINE, f"**{_where(story.until(story.attempt.deadline.due))}**"
        for event, story_then in LATER.get(name, {}).items():
            yield name, event, f"**{_where(story_then)}**"


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
    return attempt.status.value


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
