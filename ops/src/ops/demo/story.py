"""The demo's story: restarts that work, every refusal, and a charger that says yes and does nothing."""

import time
from dataclasses import dataclass, field
from threading import Thread
from typing import Any
from uuid import uuid4

from ops.client import Portal
from ops.commands.common import say
from ops.commands.restart import watch
from ops.demo.cast import (
    ADMINISTRATOR,
    BASIC,
    DEPOT_ADMINISTRATOR,
    HEALTHY_16,
    HEALTHY_201,
    IGNORES,
    OFFLINE,
    PULSAR,
    USER,
    Actor,
    Person,
    person_password,
)
from ops.embedded.places import DataDir
from ops.embedded.problems import Problem

_READY_WITHIN_S = 30.0


@dataclass
class Story:
    """Tells the story to the terminal, and remembers what did not come as it should."""

    url: str
    place: DataDir
    surprises: list[str] = field(default_factory=list)

    def tell(self) -> None:
        """The whole story."""
        with self._login(ADMINISTRATOR) as admin:
            self._wait_until_available(admin, HEALTHY_16, HEALTHY_201, IGNORES)
            self._title(f"{ADMINISTRATOR.user_id} restarts {HEALTHY_16.charger_id}, {HEALTHY_16.protocol}")
            self._restart_and_ask_again(admin, HEALTHY_16)
            self._title(f"{ADMINISTRATOR.user_id} restarts {HEALTHY_201.charger_id}, {HEALTHY_201.protocol}")
            self._expect(self._restart(admin, HEALTHY_201), "restarted")
            for person, actor, reason in (
                (USER, HEALTHY_16, "role"),
                (DEPOT_ADMINISTRATOR, BASIC, "plan"),
                (ADMINISTRATOR, PULSAR, "model"),
                (ADMINISTRATOR, OFFLINE, "offline"),
            ):
                self._title(f"{person.user_id} asks for {actor.charger_id}, which is blocked: {reason}")
                with self._login(person) as portal:
                    self._expect(self._restart(portal, actor), "refused", reason)
            self._title(f"{ADMINISTRATOR.user_id} restarts {IGNORES.charger_id}, which accepts and never reboots")
            self._expect(self._restart(admin, IGNORES), "not_restarted", "ignored")

    def _restart_and_ask_again(self, admin: Portal, actor: Actor) -> None:
        """A second request while the first is under way is answered with the first."""
        attempt_id = self._ask(admin, actor)["attempt_id"]
        again = Thread(target=self._ask_again, args=(actor, attempt_id))
        again.start()
        self._expect(watch(admin, attempt_id, indent="  "), "restarted")
        again.join()

    def _ask_again(self, actor: Actor, first: str) -> None:
        with self._login(ADMINISTRATOR) as portal:
            give_up = time.monotonic() + _READY_WITHIN_S
            while portal.get(f"/api/v1/chargers/{actor.charger_id}")["open_attempt"] is None:
                if time.monotonic() > give_up:
                    self.surprises.append(f"{actor.charger_id}: the open attempt never showed")
                    return
            answer = self._ask(portal, actor)
            if answer["attempt_id"] != first or not answer["already_restarting"]:
                self.surprises.append(f"{actor.charger_id}: a second request was not answered with the first attempt")
            say("  Asked again meanwhile: already restarting, answered with the same attempt.")

    def _ask(self, portal: Portal, actor: Actor) -> dict[str, Any]:
        return portal.post(
            f"/api/v1/chargers/{actor.charger_id}/restarts", {"when": "now"}, Idempotency_Key=str(uuid4())
        )

    def _restart(self, portal: Portal, actor: Actor) -> dict[str, Any]:
        return watch(portal, self._ask(portal, actor)["attempt_id"], indent="  ")

    def _expect(self, attempt: dict[str, Any], outcome: str, why: str | None = None) -> None:
        verdict = attempt["verdict"]
        reasons = [refusal["reason"] for refusal in attempt["refusals"]] or [verdict["cause"]]
        if verdict["verdict"] != outcome or (why is not None and reasons != [why]):
            expected = f"{outcome} ({why})" if why else outcome
            self.surprises.append(f"{attempt['charger_id']}: expected {expected}, got {verdict['sentence']}")

    def _wait_until_available(self, portal: Portal, *actors: Actor) -> None:
        """Chargers connect by themselves; the page shows green once their boot was seen."""
        give_up = time.monotonic() + _READY_WITHIN_S
        for actor in actors:
            while not portal.get(f"/api/v1/chargers/{actor.charger_id}")["restart"]["available"]:
                if time.monotonic() > give_up:
                    raise Problem(
                        f"{actor.charger_id} did not become available in {_READY_WITHIN_S:.0f} s", where=self.place.logs
                    )
                time.sleep(0.1)

    def _login(self, person: Person) -> Portal:
        return Portal.logged_in(self.url, person.user_id, person_password(self.place, person))

    def _title(self, text: str) -> None:
        say(f"\n{text}")
