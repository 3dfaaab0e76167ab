"""What a service has left to be published, read back as messages."""

from typing import Any

from sqlalchemy import text

from chassis.database import Database
from contracts.envelope import Envelope
from contracts.registry import Known, decode
from contracts.topics import BY_NAME, Topic

_ROWS = text("select topic, key, value, headers from outbox order by id")


async def outbox_messages(database: Database, topic: Topic) -> list[Envelope[Any]]:
    """The messages for this topic that wait in the outbox, oldest first. AssertionError for an unreadable one."""
    async with database.begin() as session:
        rows = (await session.execute(_ROWS)).all()
    envelopes = []
    for row in rows:
        if row.topic == topic.name:
            headers = [(name, value.encode()) for name, value in row.headers]
            decoded = decode(BY_NAME[row.topic], row.key, row.value, headers)
            assert isinstance(decoded, Known), decoded  # noqa: S101 for tests
            envelopes.append(decoded.envelope)
    return envelopes
