"""Timers that survive every crash: a row per timer, handled once, in the transaction that deletes it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import DateTime, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.clock import WakingClock
from chassis.database import Database, Transaction, Work, after_transaction, fetch, json_text
from chassis.metrics import Metrics
from chassis.tasks import background, cancel, delays
from chassis.trace import span

log = structlog.stdlib.get_logger(__name__)

AT_ONCE = 4
"""Handlers that may run at the same time; so a slow or failing one does not hold up the others."""
LOOK_AGAIN_S = 5.0
"""Bounds how late a timer is that another process armed before it died."""
TOGETHER = 50
"""How many timers go off in one transaction, where their handler takes several."""
LONGEST_BACKOFF_S = 60.0
DEFAULT = "default"


def arming(name: int, first: int) -> str:
    """The statement that arms timers: the number of the parameter that names them, and of the first of `columns`."""
    return (
        "insert into timers (name, key, due, payload, try_at) "  # noqa: S608 numbers of parameters
        f"select ${name}::text, key, due, body::jsonb, due "
        f"from unnest(${first}::text[], ${first + 1}::timestamptz[], ${first + 2}::text[]) as row (key, due, body) "
        "on conflict (name, key) do update set due = excluded.due, payload = excluded.payload, "
        "try_at = excluded.try_at, failures = 0"
    )


def forgetting(name: int, keys: int) -> str:
    """The statement that forgets timers, by the numbers of its parameters.

    One that is going off at this moment is let be: who waits for it here could be waited for by its handler.
    """
    return (
        f"delete from timers where name = ${name}::text and key in ("  # noqa: S608 numbers of parameters
        f"select key from timers where name = ${name}::text and key = any(${keys}::text[]) for update skip locked)"
    )


_ARM = arming(1, 2)
_FORGET = forgetting(1, 2)
_TAKE = text(
    "select name, key, due, payload, failures from timers where try_at <= :now and name = any(:names) "
    "order by try_at limit 1 for update skip locked"
).columns(due=DateTime(timezone=True), payload=JSONB)
_TAKE_MANY = """
    select key, due, payload, failures from timers where name = $1 and try_at <= $2 and (failures > 0) = $3
     order by try_at limit $4 for update skip locked
"""
_DELETE_MANY = "delete from timers where name = $1 and key = any($2::text[])"
_DELETE = text("delete from timers where name = :name and key = :key")
_BACK_OFF = text("update timers set failures = failures + 1, try_at = :try_at where name = :name and key = :key")
_BACK_OFF_MANY = "update timers set failures = failures + 1, try_at = $3 where name = $1 and key = any($2::text[])"
_NEXT = text(
    "select (select min(try_at) from timers where try_at > :now) as next,"
    " (select count(*) from (select from timers where try_at <= :now limit 1000) as overdue) as due"
)


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer that is due.

    Attributes:
        name: which handler it is for.
        key: unique among the timers of that name; says what is waited for.
        due: when it was to go off, which may be long ago.
        payload: what the one who armed it wanted remembered.
        failures: how often its handler has failed.
    """

    name: str
    key: str
    due: datetime
    payload: dict[str, Any]
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Alarm:
    """A timer that is to be armed: `payload` is given to the handler when it is due."""

    key: str
    due: datetime
    payload: dict[str, Any]


TimerHandler = Callable[[AsyncSession, Timer], Awaitable[None]]
TimersHandler = Callable[[Transaction, Sequence[Timer]], Awaitable[None]]


class Timers:
    """Arms timers inside a handler's transaction, and calls their handlers when they are due.

    There is no sure way to cancel one: whoever handles it looks whether the state that it waited for is still there.
    """

    def __init__(self, database: Database, clock: WakingClock, metrics: Metrics) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._handlers: dict[str, TimerHandler] = {}
        self._together: dict[str, TimersHandler] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._moment = datetime.max.replace(tzinfo=UTC)
        self._trouble: str | None = "the timers have not started"

    def on_due(self, handler: TimerHandler, *, name: str = DEFAULT) -> None:
        """Names the one handler of the timers of this name. Call it before `start`."""
        self._unhandled(name)
        self._handlers[name] = handler

    def on_due_together(self, handler: TimersHandler, *, name: str = DEFAULT) -> None:
        """`on_due` for a handler that takes all that are due, up to `TOGETHER`, in one transaction of the driver's.

        When it fails they are put off, and from then on each of them goes off by itself, until it succeeds.
        """
        self._unhandled(name)
        self._together[name] = handler

    def _unhandled(self, name: str) -> None:
        if name in self._handlers or name in self._together:
            raise ValueError(f"timers named {name!r} have a handler already")

    async def arm(
        self, session: Work, *, key: str, due: datetime, payload: dict[str, Any], name: str = DEFAULT
    ) -> None:
        """Writes the timer in the session's transaction. An armed timer of the same name and key is replaced."""
        await self.arm_many(session, [Alarm(key, due, payload)], name=name)

    async def arm_many(self, session: Work, alarms: Sequence[Alarm], *, name: str = DEFAULT) -> None:
        """`arm` for several timers of one name in one round trip; of the same key the last counts."""
        if alarms:
            await fetch(session, _ARM, name, *columns(alarms, name))
            self.armed(session, alarms)

    async def forget(self, session: Work, keys: Sequence[str], *, name: str = DEFAULT) -> None:
        """Removes timers that nobody waits for any more, so that they need not go off for nothing.

        No promise: one that is going off already does so, and its handler looks, as ever, whether it still matters.
        """
        if keys:
            await fetch(session, _FORGET, name, list(keys))

    def armed(self, session: Work, alarms: Sequence[Alarm]) -> None:
        """Has the loop look at the timers when the session's transaction has ended."""
        first = min(alarm.due for alarm in alarms)
        after_transaction(session, lambda: self._armed(first))

    def trouble(self) -> str | None:
        """Why no timer goes off, in words; None when all is well. A readiness check."""
        return self._trouble

    async def start(self) -> None:
        """Begins to call handlers, first for what became due while nobody was there."""
        if self._task is None:
            self._stopping = False
            self._moment = self._clock.now()
            self._task = background(self._run(), "timers")

    async def stop(self, *, within: float = 2.0) -> None:
        """Lets running handlers finish for up to `within` seconds; what is cut short stays armed."""
        self._stopping = True
        self._wake.set()
        tasks = [task for task in (self._task, *self._workers) if task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=within)
        for task in tasks:
            await cancel(task)
        self._task = None

    def _armed(self, due: datetime) -> None:
        if due < self._moment:
            self._moment = due
            self._wake.set()

    async def _run(self) -> None:
        pauses = delays(0.1)
        look_at = 0.0
        while not self._stopping:
            self._wake.clear()
            try:
                if self._clock.now() >= self._moment or time.monotonic() >= look_at:
                    look_at = time.monotonic() + LOOK_AGAIN_S
                    await self._look()
            except Exception as error:  # noqa: BLE001 whatever it is, the rows are still there
                self._trouble = f"the timers can't be read: {error!r}"
                log.warning("timers are interrupted", why=self._trouble)
                look_at = 0.0
                await asyncio.sleep(next(pauses))
                continue
            self._trouble, pauses = None, delays(0.1)
            if not self._stopping:
                await self._wait(look_at - time.monotonic())

    async def _look(self) -> None:
        """Finds out when the next timer is due, and starts workers for those that are."""
        now = self._clock.now()
        self._moment = now + timedelta(days=1)  # arm may bring it forward while the query runs
        async with self._database.reading() as connection:
            row = (await connection.execute(_NEXT, {"now": now})).one()
        if row.next is not None:
            self._moment = min(self._moment, row.next)
        self._metrics.timers_due.set(row.due)
        for _ in range(min(row.due, AT_ONCE - len(self._workers))):
            worker = asyncio.create_task(self._fire_all(), name="timer-worker")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _wait(self, at_most: float) -> None:
        waiting = asyncio.create_task(self._wake.wait())
        sleeping = asyncio.create_task(self._clock.sleep_until(self._moment))
        try:
            await asyncio.wait([waiting, sleeping], timeout=max(0.0, at_most), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel(waiting)
            await cancel(sleeping)

    async def _fire_all(self) -> None:
        try:
            while not self._stopping and await self._fire_some():
                pass
        except Exception:
            log.exception("timers are interrupted")

    async def _fire_some(self) -> bool:
        """Handles some of what is due; False when there is nothing."""
        fired = bool(self._handlers) and await self._fire_one()
        for name, handle in self._together.items():
            fired = await self._fire_together(name, handle, failed=False) or fired
            fired = await self._fire_together(name, handle, failed=True) or fired
        return fired

    async def _fire_together(self, name: str, handle: TimersHandler, *, failed: bool) -> bool:
        """Handles all that is due and never failed, or one that did; False when there is none."""
        async with self._database.transaction() as work:
            now = self._clock.now()
            rows = await fetch(work, _TAKE_MANY, name, now, failed, 1 if failed else TOGETHER)
            if not rows:
                return False
            timers = [Timer(name, row["key"], row["due"], row["payload"], row["failures"]) for row in rows]
            for timer in timers:
                self._metrics.timers_late.observe(max(0.0, (now - timer.due).total_seconds()))
            with span(), structlog.contextvars.bound_contextvars(timer=name):
                try:
                    async with work.savepoint():
                        await fetch(work, _DELETE_MANY, name, [timer.key for timer in timers])
                        await handle(work, timers)
                except Exception as error:  # noqa: BLE001 whatever it is, they are tried again later
                    await self._back_off_all(work, timers, error)
                    return True
        self._metrics.timers_fired.labels(name).inc(len(timers))
        return True

    async def _back_off_all(self, work: Transaction, timers: Sequence[Timer], error: Exception) -> None:
        name, keys = timers[0].name, [timer.key for timer in timers]
        pause = min(LONGEST_BACKOFF_S, 0.5 * 2 ** timers[0].failures)
        self._metrics.timers_failed.labels(name).inc(len(timers))
        log.error("timers' handler failed", timer_keys=keys, again_in_s=pause, exc_info=error)
        try_at = self._clock.now() + timedelta(seconds=pause)
        await fetch(work, _BACK_OFF_MANY, name, keys, try_at)
        after_transaction(work, lambda: self._armed(try_at))

    async def _fire_one(self) -> bool:
        """Handles one due timer; False when there is none.

        Its row stays locked until the outcome is written, be it the handler's work or the next try.
        """
        async with self._database.begin() as session:
            taken = await session.execute(_TAKE, {"now": self._clock.now(), "names": list(self._handlers)})
            row = taken.one_or_none()
            if row is None:
                return False
            timer = Timer(row.name, row.key, row.due, row.payload, row.failures)
            self._metrics.timers_late.observe(max(0.0, (self._clock.now() - timer.due).total_seconds()))
            with span(), structlog.contextvars.bound_contextvars(timer=timer.name, timer_key=timer.key):
                try:
                    async with session.begin_nested():
                        await session.execute(_DELETE, {"name": timer.name, "key": timer.key})
                        await self._handlers[timer.name](session, timer)
                except Exception as error:  # noqa: BLE001 whatever it is, it is tried again later
                    await self._back_off(session, timer, error)
                    return True
        self._metrics.timers_fired.labels(timer.name).inc()
        return True

    async def _back_off(self, session: AsyncSession, timer: Timer, error: Exception) -> None:
        pause = min(LONGEST_BACKOFF_S, 0.5 * 2**timer.failures)
        self._metrics.timers_failed.labels(timer.name).inc()
        log.error("a timer's handler failed", again_in_s=pause, exc_info=error)
        try_at = self._clock.now() + timedelta(seconds=pause)
        await session.execute(_BACK_OFF, {"name": timer.name, "key": timer.key, "try_at": try_at})
        after_transaction(session, lambda: self._armed(try_at))


def columns(alarms: Sequence[Alarm], name: str) -> tuple[list[str], list[datetime], list[str]]:
    """The parameters of `arming`; of the same key the last alarm counts. Raises ValueError for a due without a zone."""
    last = {alarm.key: alarm for alarm in alarms}
    for alarm in last.values():
        if alarm.due.tzinfo is None:
            raise ValueError(f"timer {name}/{alarm.key}: due must have a time zone")
    return (
        list(last),
        [alarm.due for alarm in last.values()],
        [json_text(alarm.payload) for alarm in last.values()],
    )
