"""The outbox: messages are written in the transaction that causes them, and published after it."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from chassis.database import after_transaction
from contracts.envelope import Envelope
from contracts.registry import encode
from contracts.topics import Topic

MAX_VALUE_BYTES = 900_000
"""Below Kafka's default limit of a request, so that no row can block the relay for ever."""

INSERT = (
    "insert into outbox (topic, key, value, headers) "
    "select topic, key, value, cast(headers as jsonb) from unnest("
    "cast(:topics as text[]), cast(:keys as bytea[]), cast(:bodies as bytea[]), cast(:headers as text[])"
    ") with ordinality as row (topic, key, value, headers, place) order by place"
)
_INSERT = text(INSERT)
_NOTIFY = text("select pg_notify(:channel, '')")


def channel(schema: str) -> str:
    """The notification channel on which the processes of one service wake each other's relay."""
    return f"chassis_outbox_{schema}"


class Outbox:
    """Where handlers leave what is to be published.

    Args:
        schema: the service's schema.
        wake: wakes this process's relay, if it has one.
        leading: whether this process's relay is the one that publishes; otherwise the other process is notified.
    """

    def __init__(self, schema: str, *, wake: Callable[[], None], leading: Callable[[], bool]) -> None:
        self._channel = channel(schema)
        self._wake = wake
        self._leading = leading

    async def add(self, session: AsyncSession, topic: Topic, envelopes: Sequence[Envelope[Any]]) -> None:
        """Writes the messages in the session's transaction; the relay publishes them right after its commit.

        Messages of one key keep their order, as long as the transactions that write them exclude each other, which
        they do when each locks the row of what it decides about. Raises ValueError for a message that the topic does
        not carry or that is too big.
        """
        await self.add_all(session, [(topic, envelope) for envelope in envelopes])

    async def add_all(self, session: AsyncSession, messages: Sequence[tuple[Topic, Envelope[Any]]]) -> None:
        """`add` for messages of several topics, in their order, in one round trip."""
        if not messages:
            return
        await session.execute(_INSERT, rows(messages))
        await self.added(session)

    async def added(self, session: AsyncSession) -> None:
        """Has the relay look at the outbox when the session's transaction has ended."""
        if not self._leading():
            await session.execute(_NOTIFY, {"channel": self._channel})
        after_transaction(session, self._wake)


def rows(messages: Sequence[tuple[Topic, Envelope[Any]]]) -> dict[str, Any]:
    """The parameters of `INSERT`. Raises ValueError for a message that its topic does not carry or that is too big."""
    records = [encode(topic, envelope) for topic, envelope in messages]
    for record, (_, envelope) in zip(records, messages, strict=True):
        if record.value is not None and len(record.value) > MAX_VALUE_BYTES:
            raise ValueError(
                f"{envelope.type} {envelope.id} has {len(record.value)} bytes, more than {MAX_VALUE_BYTES}"
            )
    return {
        "topics": [topic.name for topic, _ in messages],
        "keys": [record.key for record in records],
        "bodies": [record.value for record in records],
        "headers": [
            orjson.dumps([(name, value.decode()) for name, value in record.headers]).decode() for record in records
        ],
    }
