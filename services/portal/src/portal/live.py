"""The live hub: follows the feed of changes and gives each open stream what its person may see."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import orjson
import structlog
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from chassis.database import Database
from chassis.tasks import background, cancel, delays, wait_for
from chassis.tokens import Person
from contracts.words import Role
from portal import feed, views
from portal.feed import Entry, Kind
from portal.present import line
from portal.story import tell
from portal.views import AttemptRow, ChargerRow
from portal.words import Catalogue

log = structlog.stdlib.get_logger(__name__)

_ALIVE_S = 10.0
"""How long the LISTEN connection may be silent before it is asked whether it is still there."""
_TROUBLES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError)


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event. Only what stands in the feed has a cursor."""

    name: str
    data: str
    cursor: int | None = None


def event(name: str, cursor: int | None = None, /, **data: object) -> Event:
    """An event of plain facts."""
    return Event(name, orjson.dumps(data).decode(), cursor)


@dataclass(eq=False, slots=True)
class Subscriber:
    """One open stream: a bounded queue, and what it is about. `position`: the feed's cursor when it began."""

    person: Person
    attempt_id: UUID | None
    position: int
    queue: asyncio.Queue[Event | None]
    after: int = 0
    overflowed: bool = field(default=False)

    def offer(self, item: Event) -> None:
        """Queues the event. A reader that is too far behind loses what waits and is told to start over."""
        if item.cursor is not None and item.cursor <= self.after:
            return
        try:
            self.queue.put_nowait(item)
        except asyncio.QueueFull:
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(event("reset", item.cursor, why="overflow"))

    def close(self, last: Event) -> None:
        """Ends the stream with a last event."""
        while self.queue.qsize() > self.queue.maxsize - 2:
            self.queue.get_nowait()
        self.queue.put_nowait(last)
        self.queue.put_nowait(None)


class Hub:
    """Follows the feed for all the streams of this process; one database read serves them all."""

    def __init__(self, database: Database, words: Catalogue, *, queue: int, streams_per_person: int) -> None:
        self._database = database
        self._words = words
        self._queue = max(queue, 4)
        self._cap = streams_per_person
        self._subscribers: dict[str, set[Subscriber]] = defaultdict(set)
        self._position: int | None = None
        self._told: int | None = None
        """The last cursor that was notified; None when notifications may have been missed."""
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._why: str | None = "the live stream has not started"
        self._closed = False

    async def start(self) -> None:
        """Begins at the end of the feed."""
        async with views.reading(self._database) as connection:
            self._position = (await feed.bounds(connection))[1]
        self._task = background(self._follow(), "live-hub")

    async def stop(self) -> None:
        """Says goodbye on every stream and stops following."""
        self.close()
        await cancel(self._task)

    def close(self) -> None:
        """Ends every stream with `bye`, now, and takes no new ones: what a server does first when it stops."""
        self._closed = True
        for subscriber in self._everyone():
            subscriber.close(event("bye", why="shutdown", retry_ms=1500))

    def trouble(self) -> str | None:
        """Why streams do not see changes at the moment. A readiness check."""
        return self._why

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return sum(len(of_person) for of_person in self._subscribers.values())

    @property
    def position(self) -> int:
        """Up to where the feed has been handed out."""
        return self._position or 0

    def is_full_for(self, person: Person) -> bool:
        """Whether the person holds as many streams as one person may."""
        return len(self._subscribers.get(person.user_id, ())) >= self._cap

    def subscribe(self, person: Person, attempt_id: UUID | None = None) -> Subscriber:
        """Opens a stream for what comes after `position`."""
        subscriber = Subscriber(person, attempt_id, self.position, asyncio.Queue(self._queue))
        self._subscribers[person.user_id].add(subscriber)
        if self._closed:
            subscriber.close(event("bye", why="shutdown", retry_ms=1500))
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forgets a stream."""
        of_person = self._subscribers.get(subscriber.person.user_id, set())
        of_person.discard(subscriber)
        if not of_person:
            self._subscribers.pop(subscriber.person.user_id, None)

    async def replay(self, subscriber: Subscriber, after: int) -> list[Event] | None:
        """What the stream has missed since `after`; None when the feed does not reach back so far, or not so far yet.

        Nothing is lost or said twice between this and the queue: it ends where the queue begins.
        """
        async with views.reading(self._database) as connection:
            first, last = await feed.bounds(connection)
            if after < first - 1 or after > last:
                return None
            subscriber.after = after
            entries = await feed.after(connection, after, until=subscriber.position, limit=self._queue * 4 + 1)
            if len(entries) > self._queue * 4:
                return None
            prepared = await self._prepare(connection, entries, [subscriber.person.user_id])
        return [item for entry in _coalesced(entries) for item in prepared.events(entry, subscriber)]

    def _everyone(self) -> list[Subscriber]:
        return [subscriber for of_person in self._subscribers.values() for subscriber in of_person]

    async def _follow(self) -> None:
        waits = delays(0.1)
        while True:
            try:
                connection = await self._database.dedicated()
                try:
                    await self._listen(connection)
                finally:
                    await connection.close(timeout=1)
            except _TROUBLES as error:
                if self._why is None:
                    log.warning("the live stream is interrupted", why=repr(error))
                    waits = delays(0.1)
                self._why = f"the database does not tell of changes: {error!r}"
                await asyncio.sleep(next(waits))

    async def _listen(self, connection: asyncpg.Connection) -> None:
        wake = self._wake
        self._told = None
        connection.add_termination_listener(lambda *_: wake.set())
        await connection.add_listener(feed.CHANNEL, self._on_notify)
        wake.set()  # what came while nobody listened
        while True:
            if not await wait_for(wake, at_most=_ALIVE_S) or connection.is_closed():
                await connection.execute("select 1")
                continue
            wake.clear()
            await self._drain()
            self._why = None

    def _on_notify(self, _connection: object, _pid: int, _channel: str, cursor: str) -> None:
        self._told = int(cursor)
        self._wake.set()

    async def _drain(self) -> None:
        """Hands out everything that has been committed since the last time; where nobody listens, reads nothing."""
        if not self._subscribers and self._told is not None:
            self._position = max(self.position, self._told)
            return
        async with views.reading(self._database) as connection:
            while True:
                entries = await feed.after(connection, self.position)
                if not entries:
                    return
                try:
                    await self._hand_out(connection, entries)
                except _TROUBLES:
                    raise
                except Exception:
                    log.exception("changes could not be told", cursor=entries[-1].cursor)
                    for subscriber in self._everyone():
                        subscriber.offer(event("reset", entries[-1].cursor, why="cursor_expired"))
                self._position = entries[-1].cursor

    async def _hand_out(self, connection: AsyncConnection, entries: Sequence[Entry]) -> None:
        prepared = None
        people: set[str] = set()
        while not people >= set(self._subscribers):  # someone may have come while rights were being read
            people = set(self._subscribers)
            prepared = await self._prepare(connection, entries, people)
        if prepared is None:
            return
        for entry in _coalesced(entries):
            for subscriber in self._everyone():
                for item in prepared.events(entry, subscriber):
                    subscriber.offer(item)

    async def _prepare(
        self, connection: AsyncConnection, entries: Sequence[Entry], people: Iterable[str]
    ) -> "_Prepared":
        pointers = [entry.pointer for entry in entries]
        chargers = await views.chargers(connection, {each.charger_id for each in pointers if each.charger_id})
        wanted = {each.attempt_id for each in pointers if each.attempt_id}
        for row in chargers.values():
            wanted |= {found for found in (row.open_attempt_id, row.last_attempt_id) if found}
        stories = await views.attempts(connection, wanted) if wanted else {}
        groups = {row.group_id for row in chargers.values()}
        groups |= {row.group_id for row in stories.values() if row.group_id}
        groups |= {each.group_id for each in pointers if each.group_id}
        roles = await views.roles(connection, groups, people)
        return _Prepared(chargers, stories, roles, self._words)


class _Prepared:
    """What a run of entries means, for anyone: rights are those at the time of reading, not of the subscription."""

    def __init__(
        self,
        chargers: dict[str, ChargerRow],
        stories: dict[UUID, AttemptRow],
        roles: dict[tuple[str, str], Role],
        words: Catalogue,
    ) -> None:
        self._chargers = chargers
        self._stories = stories
        self._roles = roles
        self._words = words
        self._made: dict[tuple[int, Role | None], Event] = {}

    def events(self, entry: Entry, subscriber: Subscriber) -> list[Event]:
        """What this stream is to be told of the entry: one event or none."""
        found = self._event(entry, subscriber)
        return [] if found is None else [found]

    def _event(self, entry: Entry, subscriber: Subscriber) -> Event | None:
        pointer, user_id = entry.pointer, subscriber.person.user_id
        match pointer.kind:
            case Kind.RIGHTS:
                mine = (
                    pointer.user_id == user_id if pointer.user_id else (pointer.group_id or "", user_id) in self._roles
                )
                return event("reset", entry.cursor, why="rights_changed") if mine else None
            case Kind.CHARGER:
                if subscriber.attempt_id is not None:
                    return None
                row = self._chargers.get(pointer.charger_id or "")
                role = self._roles.get((row.group_id, user_id)) if row else None
                return self._charger(entry, row, role) if row and role else None
            case _:
                if subscriber.attempt_id not in (None, pointer.attempt_id):
                    return None
                story = self._stories.get(pointer.attempt_id) if pointer.attempt_id else None
                if story is None or (story.group_id or "", user_id) not in self._roles:
                    return None
                return self._attempt(entry, story)

    def _charger(self, entry: Entry, row: ChargerRow, role: Role) -> Event:
        key = (entry.cursor, role)
        if key not in self._made:
            shown = line(row, role, self._stories, self._words, v=entry.cursor)
            self._made[key] = _of_model("charger", shown, entry.cursor)
        return self._made[key]

    def _attempt(self, entry: Entry, row: AttemptRow) -> Event | None:
        key = (entry.cursor, None)
        if key not in self._made:
            version = entry.pointer.version or 0
            moves = [move for move in row.moves if move.version <= version]
            if not moves:
                return None
            shown = tell(moves, self._words, name=row.requester, group=row.group_name, names=row.names)
            self._made[key] = _of_model(entry.pointer.kind.value, shown, entry.cursor)
        return self._made[key]


def _of_model(name: str, shown: BaseModel, cursor: int) -> Event:
    return Event(name, shown.model_dump_json(), cursor)


def _coalesced(entries: Sequence[Entry]) -> list[Entry]:
    """Without the earlier ones of several entries on one charger: a charger is told as it is now."""
    last = {entry.pointer.charger_id: entry.cursor for entry in entries if entry.pointer.kind is Kind.CHARGER}
    return [
        entry
        for entry in entries
        if entry.pointer.kind is not Kind.CHARGER or last[entry.pointer.charger_id] == entry.cursor
    ]
