"""What can happen in a scenario: each event's name is a method here."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

from contracts import topics
from contracts.restart import CancelRestart, RequestRestart
from contracts.words import Plan, Role
from simulation.bridge import UNREST_S, BridgeProcess
from simulation.loop import OUTSIDE
from simulation.orchestrator import OrchestratorProcess
from simulation.world import CHARGER_ID, NAMESPACE, World, _quietly, true_time_at
from simulator.connection import Ending

SESSION_TIMEOUT_S = 10.0
"""After this time Kafka gives the partitions of an orchestrator that stands still to another one."""


class Events:
    """Makes them happen in a world."""

    def __init__(self, world: World) -> None:
        self._world = world

    # -- people

    def ask(self, *, number: int, person: str, when: str, expires_in: float | None = None, **details: Any) -> None:
        world = self._world
        attempt_id = self._attempt(number)
        now = true_time_at(world.loop.time())
        now = world.asked_at.setdefault(attempt_id, now)
        request = RequestRestart(
            charger_id=CHARGER_ID,
            attempt_id=attempt_id,
            requested_by=person,
            requested_at=now,
            when=when,
            expires_at=now + timedelta(seconds=expires_in) if expires_in is not None else None,
            **details,
        )
        world.log.publish("portal", topics.RESTART_REQUESTS, world.envelope(request))

    def cancel(self, *, number: int, person: str) -> None:
        cancel = CancelRestart(charger_id=CHARGER_ID, attempt_id=self._attempt(number), cancelled_by=person)
        self._world.log.publish("portal", topics.RESTART_REQUESTS, self._world.envelope(cancel))

    def role(self, *, person: str, role: str | None) -> None:
        self._world.grant(person, Role(role) if role is not None else None)

    def plan(self, *, plan: str) -> None:
        self._world.set_plan(Plan(plan))

    @staticmethod
    def _attempt(number: int) -> UUID:
        return uuid5(NAMESPACE, f"attempt {number}")

    # -- the charger

    def cut(self) -> None:
        line = self._world.line
        if line is not None:
            line.reset()

    def unplug(self, *, seconds: float, silent: bool) -> None:
        charger, line = self._world.charger, self._world.line
        if silent and line is not None:
            line.silence()
        self._do(charger.unplug_network(Ending.SILENT if silent else Ending.ABRUPT))
        self._world.loop.call_later(seconds, charger.plug_network)

    def power_cycle(self, *, away: float) -> None:
        self._do(self._world.charger.power_cycle(away))

    def start_charging(self) -> None:
        self._do(self._world.charger.start_transaction())

    def stop_charging(self) -> None:
        self._do(self._world.charger.stop_transaction())

    def trigger_boot(self) -> None:
        """Somebody makes it send a boot, as TriggerMessage does."""
        charger = self._world.charger
        if charger.is_registered and charger.is_2:
            self._do(charger.boot_again())

    def firmware(self, *, status: str) -> None:
        self._do(self._world.charger.send_firmware_status(status))

    def _do(self, work: Any) -> None:
        self._world.loop.spawn(_quietly(work))

    # -- processes

    def crash(self, *, process: str, again_after: float, silent: bool = False) -> None:
        """Kill -9; with `silent` the whole machine is gone, so that nobody is told of the end of its connections."""
        life = self._pick(process)
        if life is not None:
            self._watch_death(life, again_after, silent=silent)
            life.process.die()

    def crash_after(self, *, process: str, record: str, steps: int, again_after: float) -> None:
        """It dies so many steps after the first record of that type is written."""
        world = self._world
        armed = [True]

        def heard(written: Any) -> None:
            if armed and written.envelope.data.wire_type == record:
                life = self._pick(process)
                if life is not None:
                    armed.clear()
                    self._watch_death(life, again_after, silent=False)
                    life.process.fuse = steps

        world.log.heard.append(heard)

    def freeze(self, *, process: str, seconds: float) -> None:
        """It stands still; if for long, others take over, and it does not know."""
        world, life = self._world, self._pick(process)
        if life is None:
            return
        frozen = life.process
        world.died = True
        world.bridges_died = world.bridges_died or isinstance(life, BridgeProcess)
        world.unrest()
        frozen.frozen = True
        if isinstance(life, OrchestratorProcess) and seconds > SESSION_TIMEOUT_S:
            world.loop.call_later(SESSION_TIMEOUT_S, world.start_orchestrator)

        def thaw() -> None:
            if frozen.alive:
                world.loop.thaw(frozen)
                world.around.restless_until = world.loop.time() + UNREST_S
                world.around.unrest.set()

        world.loop.call_later(seconds, thaw)

    def stop_bridge(self, *, again_after: float) -> None:
        """An update: it says goodbye, and another one of its name begins."""
        world, life = self._world, self._pick("bridge")
        if isinstance(life, BridgeProcess) and life.ready:
            world.died = world.bridges_died = True
            life.stop()
            world.unrest()
            world.loop.call_later(10.0 + again_after, self._begin_again, life)

    def _begin_again(self, life: BridgeProcess) -> None:
        if self._world.bridges[life.name] is life:
            life.process.die()
            self._world.start_bridge(life.name, after=life)

    def _pick(self, kind: str) -> BridgeProcess | OrchestratorProcess | None:
        world = self._world
        if kind == "orchestrator":
            life = world.orchestrators[-1]
            return life if life.process.alive and not life.process.frozen else None
        line = world.line
        alive = [
            one for one in world.bridges.values() if one.process.alive and not one.process.frozen and not one.leaving
        ]
        holder = [one for one in alive if line is not None and one.process is line.process]
        return next(iter(holder or alive), None)

    def _watch_death(self, life: BridgeProcess | OrchestratorProcess, again_after: float, *, silent: bool) -> None:
        world = self._world

        def died() -> None:
            world.died = True
            world.note(life.name, "dies")
            if isinstance(life, OrchestratorProcess):
                world.loop.call_at(world.loop.time() + again_after, self._replace_orchestrator, life, context=OUTSIDE)
                return
            world.bridges_died = True
            world.unrest()
            for line in world.around.lines:
                if line.process is life.process:
                    if silent:
                        line.silence()
                    else:
                        line.cut(by_bridge=True)
            world.loop.call_at(world.loop.time() + again_after, self._begin_again, life, context=OUTSIDE)

        life.process.on_death.append(died)

    def _replace_orchestrator(self, life: OrchestratorProcess) -> None:
        if self._world.orchestrators[-1] is life:
            self._world.start_orchestrator()

    # -- Kafka, databases, clocks

    def kafka_down(self, *, seconds: float) -> None:
        log = self._world.log
        self._world.died = True
        log.down_until = max(log.down_until, self._world.loop.time() + seconds)

    def deaf(self, *, topic: str, seconds: float) -> None:
        """The orchestrator gets nothing of a topic, while it reads the others."""
        self._world.log.deaf["orchestrator", topic] = self._world.loop.time() + seconds

    def deaf_bridges(self, *, seconds: float) -> None:
        for name in self._world.bridges:
            self._world.log.deaf[name, topics.OCPP_COMMANDS.name] = self._world.loop.time() + seconds

    def twice(self, *, records: int) -> None:
        self._world.log.twice += records

    def database_down(self, *, of: str, seconds: float) -> None:
        world = self._world
        until = world.loop.time() + seconds
        world.died = True
        if of == "bridge":
            world.bridge_database.down_until = until
            world.around.restless_until = until + UNREST_S
            world.around.unrest.set()
        else:
            world.database.down_until = until

    def lost_replies(self, *, statements: int) -> None:
        self._world.bridge_database.lost_replies += statements

    def clock(self, *, process: str, by: float) -> None:
        """The clock of a machine moves; of that of `everyone`, or of all bridges, or of one."""
        self._world.clocks.move(process, by)
        self._world.database.armed.set()

    def charger_clock(self, *, ahead: float) -> None:
        """The charger's clock is so far ahead from now on."""
        self._world.loop.charger_offset = ahead
