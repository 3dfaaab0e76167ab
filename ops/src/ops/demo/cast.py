"""Who and what the demo is about: two groups, people with different roles, chargers of different tempers."""

from dataclasses import dataclass

from contracts.words import Plan, Role
from ops.client import Portal
from ops.embedded.places import DataDir
from simulator import Charger

SPEED = 10.0
"""Simulated chargers do everything ten times faster than real ones were seen to."""

WINDOWS = {
    "RESTART_ORCHESTRATOR_ANSWER_WINDOW_S": "5",
    "RESTART_ORCHESTRATOR_DROP_WINDOW_S": "6",
    "RESTART_ORCHESTRATOR_BOOT_WINDOW_S": "20",
    "RESTART_ORCHESTRATOR_GRACE_WINDOW_S": "2",
}
"""Short enough for somebody who is watching."""

GROUPS = {"harbour": ("Harbour car park", Plan.BUSINESS), "depot": ("Bus depot", Plan.BASIC)}


@dataclass(frozen=True)
class Person:
    """A login, and what it is in one group."""

    user_id: str
    group: str
    role: Role

    @property
    def name(self) -> str:
        return f"{self.role.value.replace('_', '-').capitalize()} of {GROUPS[self.group][0]}"


SUPER_ADMINISTRATOR = Person("harbour-super", "harbour", Role.SUPER_ADMINISTRATOR)
ADMINISTRATOR = Person("harbour-admin", "harbour", Role.ADMINISTRATOR)
USER = Person("harbour-user", "harbour", Role.USER)
DEPOT_ADMINISTRATOR = Person("depot-admin", "depot", Role.SUPER_ADMINISTRATOR)
PEOPLE = (SUPER_ADMINISTRATOR, ADMINISTRATOR, USER, DEPOT_ADMINISTRATOR)


@dataclass(frozen=True)
class Actor:
    """A charger: what fleet knows of it, and how it behaves. One without a personality never connects."""

    charger_id: str
    group: str
    label: str
    model: str
    protocol: str
    personality: str | None


HEALTHY_16 = Actor("HARBOUR-1", "harbour", "Quay, bay 1", "Commander 2", "ocpp1.6", "healthy")
HEALTHY_201 = Actor("HARBOUR-2", "harbour", "Quay, bay 2", "Eve Single Pro-line", "ocpp2.0.1", "says-remote-reset")
IGNORES = Actor("HARBOUR-3", "harbour", "Quay, bay 3", "Terra AC", "ocpp1.6", "accepts-and-ignores")
PULSAR = Actor("HARBOUR-4", "harbour", "Boathouse wall", "Pulsar Plus", "ocpp1.6", "healthy")
OFFLINE = Actor("HARBOUR-5", "harbour", "Far jetty", "Commander 2", "ocpp1.6", None)
BASIC = Actor("DEPOT-1", "depot", "Depot, lane 1", "KeContact P30", "ocpp2.0.1", "healthy")
ACTORS = (HEALTHY_16, HEALTHY_201, IGNORES, PULSAR, OFFLINE, BASIC)


def charger_password(place: DataDir, actor: Actor) -> str:
    """The charger's password: made once, at most the 40 characters that OCPP allows."""
    return place.secret(f"charger-{actor.charger_id}")[:40]


def person_password(place: DataDir, person: Person) -> str:
    """The person's password, made once."""
    return place.secret(f"person-{person.user_id}")


def seed(operator: Portal, place: DataDir) -> None:
    """Makes groups, plans, people and chargers. Once more changes nothing."""
    for group, (name, plan) in GROUPS.items():
        operator.put(f"/api/v1/groups/{group}", {"name": name})
        operator.put_once_known(f"/api/v1/groups/{group}/plan", {"plan": plan.value})
    known = {user["user_id"] for user in operator.pages("/api/v1/users")}
    for person in PEOPLE:
        if person.user_id not in known:
            body = {"user_id": person.user_id, "name": person.name, "password": person_password(place, person)}
            operator.post("/api/v1/users", body)
        operator.put(f"/api/v1/groups/{person.group}/members/{person.user_id}", {"role": person.role.value})
    for actor in ACTORS:
        operator.put_once_known(
            f"/api/v1/chargers/{actor.charger_id}",
            {
                "group_id": actor.group,
                "model": actor.model,
                "label": actor.label,
                "security_profile": 1,
                "password": charger_password(place, actor),
            },
        )


def simulated(place: DataDir, bridge_url: str) -> list[Charger]:
    """The chargers that connect."""
    return [
        Charger(
            actor.charger_id,
            bridge_url.rstrip("/"),
            charger_password(place, actor),
            actor.protocol,
            actor.personality,
            model=actor.model,
            speed=SPEED,
        )
        for actor in ACTORS
        if actor.personality is not None
    ]
