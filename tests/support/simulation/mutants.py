"""Deliberate defects, put into the real code while a scenario runs: each must be found by the simulation."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from contracts.restart import Status
from ocpp_bridge import resets, succession
from ocpp_bridge.publishing import Publishing
from restart_orchestrator import (
    attempt as _attempt,
    desk as _desk,
    dispatching as _dispatching,
    evidence,
    handle,
    moving,
    probing,
    seen,
    watching,
)
from restart_orchestrator.inputs import Booted
from simulation import bridge_database, orchestrator
from simulation.world import World

attempt: Any = _attempt
desk: Any = _desk
dispatching: Any = _dispatching
"""Whatever stands in these modules may be replaced, what they import included."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A defect.

    Attributes:
        about: what is wrong, as a sentence.
        put_in: replaces real functions; the replacements are taken back after the scenario.
        prepare: what it changes in a world before it begins.
    """

    about: str
    put_in: Callable[[ExitStack], None] = lambda _: None
    prepare: Callable[[World], None] = lambda _: None

    def apply(self) -> Callable[[], None]:
        """Puts it in; returns what takes it out again."""
        stack = ExitStack()
        self.put_in(stack)
        return stack.close


MUTANTS: dict[str, Mutant] = {}


def _mutant(name: str, about: str) -> Callable[[Callable[[ExitStack], None]], None]:
    def enter(put_in: Callable[[ExitStack], None]) -> None:
        MUTANTS[name] = Mutant(about, put_in)

    return enter


# --- evidence ---------------------------------------------------------------------------------------------------------


@_mutant("boot-on-old-socket", "A boot on the session of the Reset counts as one on the next.")
def _(stack: ExitStack) -> None:
    real = seen._booted

    def booted(known: Any, news: Booted, reset: Any) -> Any:
        return real(known, replace(news, epoch=max(news.epoch, reset.epoch + 1)), reset)

    stack.enter_context(patch.object(seen, "_booted", booted))


@_mutant("solicited-boot", "A boot that somebody asked for counts.")
def _(stack: ExitStack) -> None:
    real = seen._booted

    def booted(known: Any, news: Booted, reset: Any) -> Any:
        reason = None if news.reason == "Triggered" else news.reason
        return real(known, replace(news, solicited=False, reason=reason), reset)

    stack.enter_context(patch.object(seen, "_booted", booted))


@_mutant("blip-is-restart", "A return without a boot counts as a restart.")
def _(stack: ExitStack) -> None:
    real = evidence.has_restarted

    def has_restarted(known: Any, reset: Any) -> bool:
        return real(known, reset) or known.returned_at is not None

    for module in (evidence, watching):
        stack.enter_context(patch.object(module, "has_restarted", has_restarted))


@_mutant("no-answer-is-failure", "A Reset without an answer counts as ignored.")
def _(stack: ExitStack) -> None:
    real = attempt.advance

    def advance(known: Any, reset: Any, now_seen: Any, event: Any, **options: Any) -> Any:
        if type(event).__name__ == "Unanswered":
            return moving.end(known, evidence.ignored(known.seen, reset), options["now"], event)
        return real(known, reset, now_seen, event, **options)

    stack.enter_context(patch.object(attempt, "advance", advance))


@_mutant("ignored-unasked", "A charger that nobody heard after its window has ignored the Reset.")
def _(stack: ExitStack) -> None:
    real = probing.ask

    def ask(known: Any, reset: Any, event: Any, now: Any, windows: Any) -> Any:
        if known.status is Status.AWAITING_DROP:
            return moving.end(known, evidence.ignored(known.seen, reset), now, event)
        return real(known, reset, event, now, windows)

    stack.enter_context(patch.object(watching, "ask", ask))


@_mutant("accepted-is-restarted", "The charger's Accepted is taken for the outcome.")
def _(stack: ExitStack) -> None:
    real = attempt.advance

    def advance(known: Any, reset: Any, now_seen: Any, event: Any, **options: Any) -> Any:
        if type(event).__name__ == "Accepted":
            return moving.end(known, evidence._restarted(now_seen, reset), options["now"], event, seen=now_seen)
        return real(known, reset, now_seen, event, **options)

    stack.enter_context(patch.object(attempt, "advance", advance))


@_mutant("lost-for-ever", "A lost charger that returns is not judged again.")
def _(stack: ExitStack) -> None:
    real = attempt._after_the_end

    def after(*_: Any, **__: Any) -> Any:
        return attempt.Decision(idle=attempt.Idle.OVER)

    assert real is not after
    stack.enter_context(patch.object(attempt, "_after_the_end", after))


@_mutant("lost-when-asked-again", "News of a charger go to the attempt that waits for it, and not to the lost one.")
def _(stack: ExitStack) -> None:
    real = desk.Desk.hear

    def hear(self: Any, attempt_id: Any, event: Any, **options: Any) -> None:
        real(self, attempt_id, event, **options)
        known = self._held.get(attempt_id)
        if known is not None and known.attempt.is_open:
            self._supersede(known.attempt.charger_id, event)

    stack.enter_context(patch.object(desk.Desk, "hear", hear))


@_mutant("lost-takes-the-next-boot", "A lost attempt goes on to watch when the Reset of another one goes out.")
def _(stack: ExitStack) -> None:
    stack.enter_context(patch.object(desk.Desk, "_supersede", lambda *_: None))


@_mutant("reset-before-backlog", "A Reset goes out beside a lost attempt before all that was said by then is read.")
def _(stack: ExitStack) -> None:
    real = attempt.look_again

    def look_again(known: Any, standing: Any, *rest: Any) -> Any:
        return real(known, replace(standing, beside_lost=False), *rest)

    stack.enter_context(patch.object(attempt, "look_again", look_again))


@_mutant("verdict-twice", "News after the verdict lead to another one.")
def _(stack: ExitStack) -> None:
    def after(known: Any, event: Any, now: datetime, windows: Any) -> Any:
        reopened = replace(known, status=Status.CHECKING)
        return (
            attempt._while_watching(reopened, known.reset, event, now, windows) if known.reset else attempt.Decision()
        )

    stack.enter_context(patch.object(attempt, "_after_the_end", after))
    _keep_watching(stack)


def _keep_watching(stack: ExitStack) -> None:
    real = desk.Held

    def held(one: Any, *, watching: bool, **rest: Any) -> Any:
        return real(one, watching=watching or one.reset is not None, **rest)

    stack.enter_context(patch.object(desk, "Held", held))


# --- time -------------------------------------------------------------------------------------------------------------


@_mutant("deadline-before-backlog", "A deadline is judged although not all that was said by then has been read.")
def _(stack: ExitStack) -> None:
    async def are_read(_session: Any, _ends: Any, asked: Sequence[Any]) -> list[bool]:
        return [True for _ in asked]

    stack.enter_context(patch.object(handle, "are_read", are_read))


@_mutant("short-drop-window", "The charger gets five seconds to go down instead of sixty.")
def _(stack: ExitStack) -> None:
    def shortened(function: Any) -> Any:
        return lambda *known: function(*known[:-1], replace(known[-1], drop=timedelta(seconds=5)))

    for name in ("_drop_due", "time_left"):
        stack.enter_context(patch.object(watching, name, shortened(getattr(watching, name))))


@_mutant("lost-timer", "The deadline of the wait for the boot is never armed.")
def _(stack: ExitStack) -> None:
    real = handle._alarm

    def alarm(known: Any, wake: Any) -> Any:
        found = real(known, wake)
        if wake.deadline.waiting_for is Status.RESTARTING:
            return replace(found, due=found.due + timedelta(days=365))
        return found

    stack.enter_context(patch.object(handle, "_alarm", alarm))


@_mutant("no-not-after", "The bridge sends a Reset however old the command is.")
def _(stack: ExitStack) -> None:
    stack.enter_context(patch.object(resets.Resets, "_too_late", staticmethod(lambda _command, _now: False)))


@_mutant("clocks-tell-the-order", "Whether a session is one of after the Reset is told by two machines' clocks.")
def _(stack: ExitStack) -> None:
    stack.enter_context(patch.object(seen, "was_claimed", lambda *_: False))


@_mutant("time-is-what-the-clock-says", "A wait is over when the clock says so, which may have been put forward.")
def _(stack: ExitStack) -> None:
    stack.enter_context(patch.object(handle.Handler, "_time_left", lambda *_: timedelta(0)))
    stack.enter_context(patch.object(watching, "time_left", lambda *_: timedelta(0)))


@_mutant("answers-by-the-clock", "Whether the bridge answers this question or an earlier one is told by its clock.")
def _(stack: ExitStack) -> None:
    real = probing.is_there

    def is_there(known: Any, reset: Any, event: Any) -> bool:
        return real(known, reset, replace(event, asked_at=None))

    stack.enter_context(patch.object(watching, "is_there", is_there))


# --- who may, and how many --------------------------------------------------------------------------------------------


@_mutant("no-rights-at-dispatch", "Rights are looked at when somebody asks, and not again when the Reset goes out.")
def _(stack: ExitStack) -> None:
    real = dispatching.blocked_by

    def blocked_by(situation: Any, **options: Any) -> Any:
        if situation.open_attempt is None:
            return tuple(one for one in real(situation, **options) if one.lifted_by == "waiting")
        return real(situation, **options)

    def look_again(known: Any, standing: Any, now: datetime, windows: Any) -> Any:
        with patch.object(dispatching, "blocked_by", blocked_by):
            return real_look(known, standing, now, windows)

    real_look = attempt.look_again
    stack.enter_context(patch.object(attempt, "look_again", look_again))


@_mutant("second-open-attempt", "A request does not see that another attempt is open.")
def _(stack: ExitStack) -> None:
    stack.enter_context(patch.object(desk.Desk, "with_open_attempt", lambda _self, standing, _charger: standing))


@_mutant("cancel-too-late", "A request is taken back although its Reset is on its way.")
def _(stack: ExitStack) -> None:
    real = attempt._while_watching

    def watch(known: Any, reset: Any, event: Any, now: datetime, windows: Any) -> Any:
        if type(event).__name__ == "Cancel":
            return dispatching.cancel(known, event, now)
        return real(known, reset, event, now, windows)

    stack.enter_context(patch.object(attempt, "_while_watching", watch))


@_mutant("asked-twice-is-two", "The same request, read again, begins again.")
def _(stack: ExitStack) -> None:
    real = attempt.decide

    def decide(known: Any, event: Any, **options: Any) -> Any:
        return real(None if type(event).__name__ == "Request" else known, event, **options)

    stack.enter_context(patch.object(attempt, "decide", decide))


@_mutant("no-locks", "Two transactions decide about one charger at the same time, and no constraint stops them.")
def _(_stack: ExitStack) -> None:
    return


def _without_locks(world: World) -> None:
    world.database.no_locks = world.database.no_constraints = True


MUTANTS["no-locks"] = replace(MUTANTS["no-locks"], prepare=_without_locks)


# --- the bridge -------------------------------------------------------------------------------------------------------


@_mutant("claim-after-sending", "The ledger learns of a Reset when its frame is out, on whichever session.")
def _(stack: ExitStack) -> None:
    real_claim, real_send = bridge_database.MemoryLedger.claim, resets.Resets._send

    async def claim(ledger: Any, command: Any, message_id: str, number: Any) -> bool:
        def statement() -> bool:
            return (command.attempt_id, command.escalation) not in ledger._store.database.ledger

        return bool(await ledger._store.database.run(statement))

    async def send(self: Any, command: Any, session: Any, began: float) -> None:
        sending = self._start(real_send(self, command, session, began))
        await real_claim(self._ledger, command, str(command.attempt_id), command.attempt_id)
        await sending

    stack.enter_context(patch.object(bridge_database.MemoryLedger, "claim", claim))
    stack.enter_context(patch.object(resets.Resets, "_send", send))
    _any_session(stack)


@_mutant("frame-after-takeover", "What a dead instance had claimed is sent once more by its heir.")
def _(stack: ExitStack) -> None:
    async def claim(ledger: Any, command: Any, message_id: str, number: Any) -> bool:
        database = ledger._store.database

        def forget() -> None:
            row = database.ledger.get((command.attempt_id, command.escalation))
            if row is not None and row.outcome in (None, "unanswered") and row.instance != ledger._instance():
                del database.ledger[command.attempt_id, command.escalation]

        await database.run(forget)
        return bool(await real(ledger, command, message_id, number))

    real = bridge_database.MemoryLedger.claim
    stack.enter_context(patch.object(bridge_database.MemoryLedger, "claim", claim))
    _any_session(stack)


@_mutant("withdrawn-and-sent", "A Reset is sent although the ledger says that it was taken back.")
def _(stack: ExitStack) -> None:
    async def claim(ledger: Any, command: Any, message_id: str, number: Any) -> bool:
        database = ledger._store.database

        def forget() -> None:
            row = database.ledger.get((command.attempt_id, command.escalation))
            if row is not None and row.outcome == "withdrawn":
                del database.ledger[command.attempt_id, command.escalation]

        await database.run(forget)
        return bool(await real(ledger, command, message_id, number))

    real = bridge_database.MemoryLedger.claim
    stack.enter_context(patch.object(bridge_database.MemoryLedger, "claim", claim))


@_mutant(
    "withdrawn-although-claimed", "Who takes a request back is told that it worked, although the Reset was claimed."
)
def _(stack: ExitStack) -> None:
    async def withdraw(*given: Any) -> bool:
        await real(*given)
        return True

    real = bridge_database.MemoryLedger.withdraw
    stack.enter_context(patch.object(bridge_database.MemoryLedger, "withdraw", withdraw))


@_mutant("any-session", "A Reset goes out on whichever session the charger has.")
def _(stack: ExitStack) -> None:
    _any_session(stack)


def _any_session(stack: ExitStack) -> None:
    real = resets.Resets._carry_out

    async def carry_out(self: Any, command: Any, *rest: Any, **options: Any) -> None:
        session = self._sessions.get(command.charger_id)
        if session is not None:
            command = command.model_copy(update={"epoch": session.epoch})
        await real(self, command, *rest, **options)

    stack.enter_context(patch.object(resets.Resets, "_carry_out", carry_out))


@_mutant("late-answer-lost", "An answer that comes late or on the next session is dropped.")
def _(stack: ExitStack) -> None:
    stack.enter_context(patch.object(resets.Resets, "stray_answer", lambda *_: None))


@_mutant("answered-before-kafka", "A charger is told that we have its boot before Kafka has it.")
def _(stack: ExitStack) -> None:
    def observations(self: Any, *rest: Any, **options: Any) -> "asyncio.Future[Any]":
        real(self, *rest, **options).add_done_callback(lambda told: told.exception())
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    real = Publishing.observations
    stack.enter_context(patch.object(Publishing, "observations", observations))


@_mutant("dead-sessions-stay", "Nobody tells of the end of the sessions of an instance that died.")
def _(stack: ExitStack) -> None:
    async def inherit_sessions(*_: Any) -> int:
        return 0

    stack.enter_context(patch.object(succession.Succession, "_inherit_sessions", inherit_sessions))


@_mutant("no-pings", "A connection that is dead without a word is not noticed.")
def _(stack: ExitStack) -> None:
    async def run(_self: Any) -> None:
        return

    from simulation.bridge import EventfulWatch

    stack.enter_context(patch.object(EventfulWatch, "run", run))


# --- what is written and published ------------------------------------------------------------------------------------


@_mutant("offset-before-commit", "The orchestrator moves on although its transaction failed.")
def _(stack: ExitStack) -> None:
    real = orchestrator.OrchestratorProcess.apply

    async def apply(self: Any, place: Any, batch: Any, work: Any, **options: Any) -> None:
        self._offsets[place] = batch[-1].position.offset + 1
        await real(self, place, batch, work, **options)

    stack.enter_context(patch.object(orchestrator.OrchestratorProcess, "apply", apply))


@_mutant("outbox-forgets", "The relay takes a message off the outbox before Kafka has it.")
def _(stack: ExitStack) -> None:
    real = orchestrator.OrchestratorProcess.publish

    async def publish(self: Any, topic: Any, envelope: Any) -> None:
        rows = self._database.tables["outbox"]
        for number in [number for number, row in rows.items() if row[1] is envelope]:
            rows.pop(number)
        await asyncio.sleep(self._database.pause())
        await real(self, topic, envelope)

    stack.enter_context(patch.object(orchestrator.OrchestratorProcess, "publish", publish))
