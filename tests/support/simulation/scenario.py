"""What happens in one simulation, as data: made from a seed, printed, and cut down when it shows a mistake."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from random import Random
from typing import Any

from simulator.personalities import NAMED

PROTOCOLS = ("ocpp1.6", "ocpp1.6", "ocpp2.0.1", "ocpp2.1")
FIRST_ASK = 30.0
PEOPLE = ("alex", "robin", "sam")
"""Two administrators and one without the right."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at a moment; `what` is a method of `simulation.events.Events`."""

    at: float
    what: str
    with_: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        details = ", ".join(f"{name}={value!r}" for name, value in self.with_.items())
        return f"{self.at:9.3f} s  {self.what}({details})"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One simulation.

    Attributes:
        seed: of all that is left to chance while it runs: latencies, the charger's pauses, who is dialled.
        charging: a transaction runs when people begin to ask.
        escalations: how many harder Resets a day the group allows after a softer one brought nothing.
        batch: how many records the orchestrator takes at once, at most.
    """

    seed: int
    protocol: str
    personality: str
    connectors: int
    charging: bool
    escalations: int
    bridges: int
    batch: int
    events: tuple[Event, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Scenario":
        read = json.loads(text)
        return cls(**{**read, "events": tuple(Event(**event) for event in read["events"])})

    def without(self, *left_out: int) -> "Scenario":
        """The same without some of its events, by number."""
        return replace(self, events=tuple(one for number, one in enumerate(self.events) if number not in left_out))

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: a {self.personality} charger with {self.connectors} connector(s) on {self.protocol}",
            f"{'charging' if self.charging else 'idle'}; {self.bridges} bridge(s), batches of {self.batch}",
            f"{self.escalations} escalation(s) a day",
            *(str(event) for event in self.events),
        ]
        return "\n".join(lines)


def generate(seed: int) -> Scenario:
    """The scenario of a seed: always the same."""
    random = Random(f"{seed}/scenario")
    personality = random.choice(sorted(NAMED))
    protocol = random.choice(PROTOCOLS)
    charging = random.random() < 0.25
    events = [*_asks(random, protocol), *_charger(random), *_rights(random), *_faults(random)]
    bridges = random.choice((1, 2, 2, 3))
    if random.random() < 0.25:
        events = random.choice(_PARTICULAR)(random)
        bridges = random.choice((1, 1, 2))
    events += _clocks(Random(f"{seed}/clocks"))
    return Scenario(
        seed=seed,
        protocol=protocol,
        personality=personality,
        connectors=random.choice((1, 1, 2)),
        charging=charging,
        escalations=random.choice((0, 0, 0, 1, 3)),
        bridges=bridges,
        batch=random.choice((1, 3, 20)),
        events=tuple(sorted(events, key=lambda event: event.at)),
    )


def _asks(random: Random, protocol: str) -> list[Event]:
    events = []
    moment = FIRST_ASK
    for number in range(random.choice((1, 1, 1, 2, 2, 3))):
        when = random.choices(("now", "idle", "online"), (6, 2, 2))[0]
        ask: dict[str, Any] = {"number": number, "person": random.choices(PEOPLE, (6, 3, 1))[0], "when": when}
        ask["strength"] = random.choice(("auto", "soft", "hard"))
        if protocol != "ocpp1.6" and random.random() < 0.15:
            ask["evse_id"] = 1
        ask["interrupt_charging"] = random.random() < 0.5
        if when != "now":
            ask["expires_in"] = random.choice((60.0, 300.0, 600.0))
        at = round(moment + random.uniform(0, 5), 3)
        events.append(Event(at, "ask", ask))
        if random.random() < 0.1:
            events.append(Event(round(at + random.choice((0.0, 0.01, 5.0)), 3), "ask", ask))
        if random.random() < 0.15:
            delay = random.choice((0.003, 0.01, 0.03, 2.0, 30.0))
            events.append(Event(round(at + delay, 3), "cancel", {"number": number, "person": random.choice(PEOPLE)}))
        moment = at + random.choice((0.0, 0.5, 8.0, 40.0, 120.0, 420.0))
    return events


def _charger(random: Random) -> list[Event]:
    kinds: tuple[tuple[str, Callable[[], dict[str, Any]]], ...] = (
        ("cut", dict),
        ("unplug", lambda: {"seconds": random.choice((3.0, 20.0, 70.0)), "silent": random.random() < 0.6}),
        ("power_cycle", lambda: {"away": random.choice((2.0, 15.0, 60.0))}),
        ("start_charging", dict),
        ("stop_charging", dict),
        ("trigger_boot", dict),
        ("firmware", lambda: {"status": random.choice(("Downloading", "Installing", "Installed"))}),
    )
    events = []
    for _ in range(random.choice((0, 0, 0, 1, 1, 2, 3))):
        what, details = random.choices(kinds, (4, 4, 1, 2, 2, 2, 1))[0]
        events.append(Event(_moment(random), what, details()))
    return events


def _rights(random: Random) -> list[Event]:
    events = []
    for _ in range(random.choice((0, 0, 0, 1, 1, 2))):
        at = _moment(random)
        if random.random() < 0.6:
            role = random.choice(("administrator", "operator", None))
            events.append(Event(at, "role", {"person": random.choice(PEOPLE), "role": role}))
        else:
            events.append(Event(at, "plan", {"plan": random.choice(("basic", "business"))}))
    return events


_READ = (
    "ocpp.answers.v1",
    "ocpp.connectivity.v1",
    "ocpp.observations.v1",
    "restart.requests.v1",
    "auth.memberships.v1",
)
_WATCHED = (
    "restart.request-restart.v1",
    "ocpp.reset-charger.v1",
    "ocpp.reset-sent.v1",
    "ocpp.reset-accepted.v1",
    "ocpp.charger-booted.v1",
    "ocpp.charger-connected.v1",
    "ocpp.charger-disconnected.v1",
    "restart.attempt-moved.v1",
)


def _faults(random: Random) -> list[Event]:
    def process() -> str:
        return random.choice(("bridge", "bridge", "orchestrator"))

    def again_after() -> float:
        return random.choice((0.5, 3.0, 8.0, 20.0, 35.0))

    kinds: tuple[tuple[str, Callable[[], dict[str, Any]]], ...] = (
        ("crash", lambda: {"process": process(), "again_after": again_after(), "silent": random.random() < 0.3}),
        (
            "crash_after",
            lambda: {
                "process": process(),
                "record": random.choice(_WATCHED),
                "steps": random.randint(0, 40),
                "again_after": again_after(),
            },
        ),
        ("freeze", lambda: {"process": process(), "seconds": random.choice((1.0, 15.0, 45.0))}),
        ("stop_bridge", lambda: {"again_after": again_after()}),
        ("kafka_down", lambda: {"seconds": random.choice((1.0, 10.0, 60.0))}),
        ("deaf", lambda: {"topic": random.choice(_READ), "seconds": random.choice((1.0, 10.0, 90.0))}),
        ("deaf_bridges", lambda: {"seconds": random.choice((1.0, 9.0, 15.0, 50.0))}),
        ("twice", lambda: {"records": random.randint(1, 5)}),
        ("database_down", lambda: {"of": process(), "seconds": random.choice((1.0, 7.0, 40.0))}),
        ("lost_replies", lambda: {"statements": random.randint(1, 3)}),
        ("clock", lambda: {"process": process(), "by": random.choice((-0.8, -0.3, 0.3, 0.8))}),
    )
    events = []
    for _ in range(random.choice((0, 0, 1, 1, 2, 3, 4))):
        what, details = random.choices(kinds, (3, 5, 2, 1, 2, 4, 2, 3, 2, 1, 2))[0]
        at = FIRST_ASK - 1.0 if what == "crash_after" else _moment(random)
        events.append(Event(at, what, details()))
    return events


def _clocks(random: Random) -> list[Event]:
    """Clocks that are wrong, or are put right in one step, as NTP does; some machines share one."""
    events = []
    if random.random() < 0.25:
        machines = ("orchestrator", "bridge", "bridge-1", "everyone")
        for _ in range(random.choice((1, 1, 2))):
            step = random.choice((-1, 1)) * random.choice((5.0, 30.0, 120.0, 300.0))
            at = random.choice((0.5, _moment(random), round(FIRST_ASK + random.uniform(0.0, 70.0), 3)))
            events.append(Event(at, "clock", {"process": random.choice(machines), "by": step}))
    if random.random() < 0.15:
        years = 365 * 86400.0
        off = random.choice((-6 * years, 20 * years, -7200.0, 7200.0, -240.0, 240.0))
        events.append(Event(0.5, "charger_clock", {"ahead": off}))
        if random.random() < 0.5:
            events.append(Event(_moment(random), "charger_clock", {"ahead": 0.0}))
    return events


def _revoked_while_waiting(random: Random) -> list[Event]:
    """Somebody waits for an offline charger, and loses the right before it is back; perhaps gets it back in time."""
    person = random.choice(PEOPLE[:2])
    away = random.choice((20.0, 70.0))
    events = [
        Event(FIRST_ASK, "unplug", {"seconds": away, "silent": random.random() < 0.5}),
        Event(FIRST_ASK + 14.0, "ask", {"number": 0, "person": person, "when": "online", "expires_in": 300.0}),
    ]
    lost: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
        ("role", {"person": person, "role": "operator"}, {"person": person, "role": "administrator"}),
        ("role", {"person": person, "role": None}, {"person": person, "role": "administrator"}),
        ("plan", {"plan": "basic"}, {"plan": "business"}),
    )
    what, taken, given = random.choice(lost)
    at = round(FIRST_ASK + random.uniform(14.1, away + 8.0), 3)
    events.append(Event(at, what, taken))
    if random.random() < 0.3:
        events.append(Event(round(at + random.uniform(0.0, 20.0), 3), what, given))
    return [*events, *(_faults(random) if random.random() < 0.5 else ())]


def _bridge_dies_sending(random: Random) -> list[Event]:
    """The bridge dies around the frame and is soon back, while the command is still valid."""
    ask = {"number": 0, "person": PEOPLE[0], "when": "now", "interrupt_charging": True}
    record = random.choice(("ocpp.reset-charger.v1", "ocpp.reset-charger.v1", "ocpp.reset-sent.v1"))
    crash = {"process": "bridge", "record": record, "steps": random.randint(0, 30), "again_after": 0.5}
    if random.random() < 0.3:
        crash["again_after"] = random.choice((3.0, 20.0, 35.0, 90.0))
    events = [Event(FIRST_ASK - 1.0, "crash_after", crash), Event(FIRST_ASK, "ask", ask)]
    if random.random() < 0.3:
        events.append(Event(FIRST_ASK - 0.5, "twice", {"records": 3}))
    return [*events, *(_charger(random) if random.random() < 0.3 else ())]


def _session_changes(random: Random) -> list[Event]:
    """The charger comes back on a new session while the command for the old one is still on its way."""
    late = random.choice((1.0, 6.0, 9.0, 15.0, 50.0))
    at = FIRST_ASK + random.choice((0.005, 0.05, 0.5))
    return [
        Event(FIRST_ASK - 0.1, "deaf_bridges", {"seconds": late}),
        Event(FIRST_ASK, "ask", {"number": 0, "person": PEOPLE[0], "when": "now", "interrupt_charging": True}),
        *([Event(at, "cut", {})] if random.random() < 0.8 else ()),
        *(_faults(random) if random.random() < 0.3 else ()),
    ]


def _taken_back_on_its_way(random: Random) -> list[Event]:
    """Somebody takes a request back around the moment when its Reset is claimed, and bridges die or hear it late."""
    ask = {"number": 0, "person": PEOPLE[0], "when": "now", "interrupt_charging": True}
    delays = (0.0, 0.003, 0.006, 0.01, 0.02, 0.05, 0.5)
    events = [Event(FIRST_ASK, "ask", ask)]
    for _ in range(random.choice((1, 1, 2))):
        at = round(FIRST_ASK + random.choice(delays), 3)
        events.append(Event(at, "cancel", {"number": 0, "person": random.choice(PEOPLE[:2])}))
    if random.random() < 0.4:
        events.append(Event(FIRST_ASK - 0.1, "deaf_bridges", {"seconds": random.choice((0.05, 1.0, 9.0, 15.0))}))
    if random.random() < 0.4:
        record = random.choice(("ocpp.reset-charger.v1", "ocpp.withdraw-reset.v1", "restart.cancel-restart.v1"))
        crash = {"process": "bridge", "record": record, "steps": random.randint(0, 30)}
        crash["again_after"] = random.choice((0.5, 3.0, 20.0))
        events.append(Event(FIRST_ASK - 1.0, "crash_after", crash))
    if random.random() < 0.3:
        events.append(Event(FIRST_ASK - 0.5, "twice", {"records": 4}))
    return [*events, *(_charger(random) if random.random() < 0.2 else ())]


def _asked_again_when_lost(random: Random) -> list[Event]:
    """A charger is away for so long that it is lost; somebody waits for it then, and it may not have got the first Reset."""
    away = random.choice((330.0, 380.0, 700.0))
    gone = FIRST_ASK + random.choice((-1.0, 0.3, 3.0, 12.0))
    silent = gone < FIRST_ASK or random.random() < 0.3
    back = gone + away
    again: dict[str, Any] = {"number": 1, "person": PEOPLE[1], "when": "online", "expires_in": 600.0}
    asked = back - random.choice((0.5, 3.0, 5.0))
    if random.random() < 0.2:
        again = {"number": 1, "person": PEOPLE[1], "when": "now", "interrupt_charging": True}
        asked = back + random.choice((1.0, 3.0, 20.0))
    events = [
        Event(FIRST_ASK, "ask", {"number": 0, "person": PEOPLE[0], "when": "now", "interrupt_charging": True}),
        Event(gone, "unplug", {"seconds": away, "silent": silent}),
        Event(round(asked, 3), "ask", again),
    ]
    if random.random() < 0.3:
        late = {"topic": random.choice(_READ[:3]), "seconds": random.choice((3.0, 15.0, 40.0))}
        events.append(Event(round(back - 0.2, 3), "deaf", late))
    if random.random() < 0.3:
        crash = {"process": "orchestrator", "again_after": random.choice((3.0, 20.0, 35.0)), "silent": False}
        events.append(Event(round(back - random.choice((1.0, -1.0, -4.0)), 3), "crash", crash))
    if random.random() < 0.3:
        what = random.choice(
            (("cut", {}), ("power_cycle", {"away": 2.0}), ("cancel", {"number": 1, "person": PEOPLE[1]}))
        )
        events.append(Event(round(back + random.choice((1.0, 4.0, 9.0, 60.0)), 3), *what))
    return [*events, *(_faults(random) if random.random() < 0.2 else ())]


_PARTICULAR = (
    _revoked_while_waiting,
    _bridge_dies_sending,
    _session_changes,
    _taken_back_on_its_way,
    _asked_again_when_lost,
)


def _moment(random: Random) -> float:
    """Mostly soon after the first request, when most is at stake."""
    spread = random.choice((1.0, 20.0, 20.0, 90.0, 500.0))
    return round(FIRST_ASK + random.uniform(-0.2, 1.0) * spread, 3)
