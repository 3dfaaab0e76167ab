"""The stories behind the table of verdicts on the architecture page: one for every row."""

from dataclasses import replace

from contracts.ocpp import ConnectorState
from contracts.restart import When
from restart_orchestrator.inputs import Past
from restart_orchestrator.story import (
    CONNECTOR,
    ESCALATING,
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
    not_withdrawn,
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
    withdrawn,
)

CHARGING = standing(transactions=(CONNECTOR,))
ON_2 = standing(CHARGING, protocol="ocpp2.0.1")
NEVER_BOOTS = replace(QUIET, boots_on_return=False)

IN_A_BOOT_LOOP = replace(QUIET, past=Past(per_day=2, booted_at=(at(-1800), at(-1200), at(-600))))

ASKED = (requested(), sent(), accepted())
AWAY = (*ASKED, dropped(10))
BACK = (*AWAY, connected(90))
BOOTED = (*BACK, booted(91), status(92))
WAITS = (requested(When.IDLE, by=ON_2, expires=7200), sent(), scheduled())
AFTER = RESET_ON + 1
SILENCE = Story(answering=False)
"""The bridge has died, and nobody says so."""

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
        "a boot that the charger owed anyway, since one of before the Reset was not accepted",
        Story().tell(*BACK, booted(91, owed_since=RESET_ON), status(92)),
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
    ("gone and back, no boot until the window closes, and it answers a ping then", Story().tell(*BACK)),
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
    ("gone and back, and nobody says anything until the boot window has passed twice", SILENCE.tell(*BACK)),
    ("no drop, and the charger answers a ping after the end of the window", Story().tell(*ASKED)),
    ("no drop, and nobody says anything until the boot window is over as well", SILENCE.tell(*ASKED)),
    ("Rejected", Story().tell(requested(), sent(), rejected())),
    ("CALLERROR NotSupported or NotImplemented", Story().tell(requested(), sent(), unsupported())),
    (
        "1.6 StatusNotification with errorCode ResetFailure",
        Story().tell(*ASKED, status(30, ConnectorState.FAULTED, RESET_ON, error="ResetFailure")),
    ),
    (
        "Rejected, where the group allows a harder Reset: that one accepted, gone, and an unsolicited boot",
        Story().tell(
            requested(by=ESCALATING),
            sent(),
            rejected(by=ESCALATING),
            sent(0.03, number=1),
            accepted(0.04, number=1),
            dropped(10),
            connected(90),
            booted(91),
            status(92),
        ),
    ),
    (
        "Rejected, where the group allows a harder Reset: that one ignored",
        Story().tell(requested(by=QUIET), sent(), rejected(by=ESCALATING), sent(0.03, number=1)),
    ),
    (
        "Rejected, where the group allows a harder Reset, in a boot loop: none follows",
        Story().tell(requested(), sent(), rejected(by=IN_A_BOOT_LOOP)),
    ),
    ("the bridge says that nothing was sent", Story().tell(requested(), not_delivered())),
    (
        "taken back, and the bridge says that the Reset had not been claimed for sending",
        Story().tell(requested(), cancelled(0.005), withdrawn()),
    ),
    (
        "taken back, and the bridge says that it had been: what follows is watched",
        Story().tell(requested(), cancelled(0.005), not_withdrawn(), *BOOTED[1:]),
    ),
    ("no bridge says anything, and nothing shows until the windows are over", Story().tell(requested())),
    ("gone and not back by the deadline", Story().tell(*AWAY)),
    (
        "lost, and back with a boot within a day: judged once more",
        Story().tell(*AWAY, connected(3600), booted(3601), status(3602)),
    ),
    ("lost, and back without a boot within a day: judged once more", Story().tell(*AWAY, connected(3600))),
    (
        "nobody said anything, so that it was lost; a boot within a day: judged once more",
        SILENCE.tell(*ASKED, connected(3600), booted(3601), status(3602)),
    ),
    ("Scheduled, and the requester's time is over first", Story().tell(*WAITS)),
)
