"""Records that can't be handled, kept aside as they were; and a limit, so that a bad deploy doesn't set all aside."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote_from_bytes, unquote_to_bytes

import orjson
from aiokafka import ConsumerRecord
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_READABLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in '%"\\')

_ADD = text(
    'insert into dead_letters (consumer, topic, partition, "offset", key, value, headers, reason) '
    "values (:consumer, :topic, :partition, :offset, :key, :value, cast(:headers as jsonb), :reason) "
    "on conflict do nothing"
)


class BadMessage(Exception):  # noqa: N818 the word of the project: the message is bad, not the world
    """Raised by a handler: this message can never be handled. Its words go into the dead letter."""


class TooManyDeadLettersError(Exception):
    """So many messages are bad that it is rather we who are wrong: nothing more is kept aside, consuming stops."""


@dataclass(frozen=True, slots=True)
class DlqLimit:
    """How many records may be kept aside before consuming stops, for one partition.

    Attributes:
        max_consecutive: in a row.
        max_ratio: of the last `window` records, once there were as many.
    """

    max_consecutive: int = 20
    max_ratio: float = 0.2
    window: int = 100


class DlqGuard:
    """Watches the outcomes of one partition against a limit; a record that is read again does not count again."""

    def __init__(self, limit: DlqLimit) -> None:
        self._limit = limit
        self._consecutive = 0
        self._recent: deque[bool] = deque(maxlen=limit.window)
        self._counted = -1

    def good(self, offset: int) -> None:
        """The record at this offset was handled."""
        if offset > self._counted:
            self._consecutive = 0
            self._recent.append(False)
            self._counted = offset

    def bad(self, offset: int, why: str) -> None:
        """The record at this offset is about to be kept aside.

        Raises TooManyDeadLettersError when that would be one too many.
        """
        if offset <= self._counted:
            return
        if self._consecutive + 1 > self._limit.max_consecutive:
            raise TooManyDeadLettersError(
                f"{self._consecutive} records in a row were kept aside, and the next is bad too ({why}): "
                "the code is more likely wrong than the records"
            )
        allowed = self._limit.max_ratio * self._limit.window
        if len(self._recent) == self._limit.window and sum(self._recent) + 1 > allowed:
            raise TooManyDeadLettersError(
                f"{sum(self._recent)} of the last {self._limit.window} records were kept aside, "
                f"and the next is bad too ({why}): the code is more likely wrong than the records"
            )
        self._consecutive += 1
        self._recent.append(True)
        self._counted = offset


async def add(session: AsyncSession, *, consumer: str, record: ConsumerRecord, reason: str) -> None:
    """Keeps a record aside, in the session's transaction; a record that is there already is left as it is."""
    await session.execute(
        _ADD,
        {
            "consumer": consumer,
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "key": record.key,
            "value": record.value,
            "headers": headers_to_text(record.headers),
            "reason": reason.replace("\0", "\\0")[:4000],
        },
    )


def headers_to_text(headers: Sequence[tuple[str, bytes | None]]) -> str:
    """Kafka headers as JSON that PostgreSQL can hold and people can read: bytes that are not plain text are %-coded."""
    return orjson.dumps(
        [
            (quote_from_bytes(name.encode(), _READABLE), None if value is None else quote_from_bytes(value, _READABLE))
            for name, value in headers
        ]
    ).decode()


def headers_from_json(headers: Sequence[Sequence[str | None]]) -> list[tuple[str, bytes | None]]:
    """The headers as they were, from what `headers_to_text` made."""
    return [
        (unquote_to_bytes(name or "").decode(), None if value is None else unquote_to_bytes(value))
        for name, value in headers
    ]
