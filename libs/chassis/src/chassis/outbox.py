"""The outbox: messages are written in the transaction that causes them, and published after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from chassis.database import Work, after_commit, after_transaction, fetch
from contracts.envelope import Envelope
from contracts.registry import Record, encode
from contracts.topics import Topic

MAX_VALUE_BYTES = 900_000
"""Below Kafka's default limit of a request, so that no row can block the relay for ever."""
LOOK_BACK = 64
"""Rows that may stand in the outbox for new ones to be handed over; with more of them, the relay reads them all."""

INSERT = (
    "insert into outbox (topic, key, value, headers) "
    "select topic, key, value, cast(headers as jsonb) "
    "from unnest($1::text[], $2::bytea[], $3::bytea[], $4::text[]) with ordinality "
    "as row (topic, key, value, headers, place) order by place returning id"
)
STANDING = f"array(select id from outbox order by id limit {LOOK_BACK})"  # noqa: S608 a number of ours
"""What stands in the outbox already, as the statement that adds to it sees it."""
_ADD = f"with added as ({INSERT}) select array(select id from added order by id) as added, {STANDING} as standing"  # noqa: S608 constants
_NOTIFY = "select pg_notify($1, '')"


def channel(schema: str) -> str:
    """The notification channel on which the processes of one service wake each other's relay."""
    return f"chassis_outbox_{schema}"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the outbox, as it is published."""

    id: int
    topic: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]


Offer = Callable[[Sequence[Row], Sequence[int]], None]
"""Takes rows that are committed, and the ids of those that stood before them when they were written."""


class Outbox:
    """Where handlers leave what is to be published.

    Args:
        schema: the service's schema.
        wake: wakes this process's relay, if it has one.
        leading: whether this process's relay is the one that publishes; otherwise the other process is notified.
        offer: gives rows to this process's relay, which need not read them then; without it the relay is woken.
    """

    def __init__(
        self, schema: str, *, wake: Callable[[], None], leading: Callable[[], bool], offer: Offer | None = None
    ) -> None:
        self._channel = channel(schema)
        self._wake = wake
        self._leading = leading
        self._offer = offer

    async def add(self, session: Work, topic: Topic, envelopes: Sequence[Envelope[Any]]) -> None:
        """Writes the messages in the session's transaction; the relay publishes them right after its commit.

        Messages of one key keep their order, as long as the transactions that write them exclude each other, which
        they do when each locks the row of what it decides about. Raises ValueError for a message that the topic does
        not carry or that is too big.
        """
        await self.add_all(session, [(topic, envelope) for envelope in envelopes])

    async def add_all(self, session: Work, messages: Sequence[tuple[Topic, Envelope[Any]]]) -> None:
        """`add` for messages of several topics, in their order, in one round trip."""
        if not messages:
            return
        written = records(messages)
        (row,) = await fetch(session, _ADD, *columns(written))
        await self.added(session, written, row["added"], row["standing"])

    async def added(
        self,
        session: Work,
        written: Sequence[tuple[str, Record]],
        ids: Sequence[int],
        standing: Sequence[int],
    ) -> None:
        """Has the relay publish the rows of these ids, once the session's transaction is committed."""
        offer = self._offer
        if not self._leading():
            await fetch(session, _NOTIFY, self._channel)
        elif offer is not None and not session.in_nested_transaction():
            rows = [
                Row(number, topic, record.key, record.value, list(record.headers))
                for number, (topic, record) in zip(ids, written, strict=True)
            ]
            after_commit(session, lambda: offer(rows, standing))
            return
        # In a savepoint, which may yet be rolled back by itself, the relay reads what has become of it.
        after_transaction(session, self._wake)


def records(messages: Sequence[tuple[Topic, Envelope[Any]]]) -> list[tuple[str, Record]]:
    """Topics and records. Raises ValueError for a message that its topic does not carry or that is too big."""
    written = [(topic.name, encode(topic, envelope)) for topic, envelope in messages]
    for (_, record), (_, envelope) in zip(written, messages, strict=True):
        if record.value is not None and len(record.value) > MAX_VALUE_BYTES:
            raise ValueError(
                f"{envelope.type} {envelope.id} has {len(record.value)} bytes, more than {MAX_VALUE_BYTES}"
            )
    return written


def columns(written: Sequence[tuple[str, Record]]) -> tuple[list[str], list[bytes], list[bytes | None], list[str]]:
    """The parameters of `INSERT`."""
    return (
        [topic for topic, _ in written],
        [record.key for _, record in written],
        [record.value for _, record in written],
        [orjson.dumps([(name, value.decode()) for name, value in record.headers]).decode() for _, record in written],
    )
