"""CloudEvents 1.0: the envelope around every message, and where it was read."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Generic, Self, TypeVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """One command or event. Immutable; unknown fields are ignored, so that a contract can grow by addition."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    wire_type: ClassVar[str]
    """The CloudEvents type: `<owner>.<kebab-name>.v<major>`."""

    def key(self) -> str:
        """The Kafka key, which is also the CloudEvents subject: what this message is about."""
        raise TypeError(f"{type(self).__name__} does not say what it is about")


class Tombstone(Message):
    """A message without a body: it ends its key on a compacted topic. Everything it says is in the key."""

    @classmethod
    def from_key(cls, key: str) -> Self:
        """Reads the message back from its key. Raises ValueError when the key is not one of this message's."""
        raise TypeError(f"{cls.__name__} does not say how it is read from {key!r}")


DataT_co = TypeVar("DataT_co", bound=Message, covariant=True)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a message stands in Kafka."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Envelope(Generic[DataT_co]):
    """A message with its CloudEvents attributes.

    Attributes:
        id: unique; derived from its cause, so that a repeated cause repeats the id.
        source: the service that says it, `/services/<folder name>`.
        time: when it became true, by the source's clock.
        traceparent: W3C Trace Context, where the cause had one.
        position: where it was read; None for one that is about to be written.
    """

    id: UUID
    source: str
    time: datetime
    data: DataT_co
    traceparent: str | None = None
    position: Position | None = None

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        return self.data.wire_type

    @property
    def subject(self) -> str:
        """What the message is about; also its Kafka key."""
        return self.data.key()


def derived_id(cause: UUID, what: str) -> UUID:
    """The id of a message that `cause` gave rise to: the same cause and `what` always give the same id."""
    return uuid5(cause, what)


def service_source(service: str) -> str:
    """The CloudEvents source of a service, by its folder name."""
    return f"/services/{service}"
