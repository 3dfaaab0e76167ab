"""The tables that the chassis keeps in each service's own schema."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

NAMES = ("inbox", "outbox", "timers", "dead_letters", "checkpoints")


@dataclass(frozen=True, slots=True)
class Tables:
    """The chassis' tables of one service."""

    inbox: Table
    outbox: Table
    timers: Table
    dead_letters: Table
    checkpoints: Table

    def all(self) -> tuple[Table, ...]:
        return self.inbox, self.outbox, self.timers, self.dead_letters, self.checkpoints


def chassis_tables(metadata: MetaData) -> Tables:
    """Declares the tables in the metadata, once; asked again, it returns the same ones."""
    key = f"{metadata.schema}.inbox" if metadata.schema else "inbox"
    if key not in metadata.tables:
        _declare(metadata)
    prefix = f"{metadata.schema}." if metadata.schema else ""
    return Tables(*(metadata.tables[prefix + name] for name in NAMES))


def _moment(name: str) -> Column[datetime]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())


def _declare(metadata: MetaData) -> None:
    inbox = Table(
        "inbox",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("message_id", Uuid, primary_key=True),
        _moment("claimed_at"),
        comment="Messages that were handled; a second delivery finds its row and does nothing.",
    )
    Index(None, inbox.c.claimed_at, postgresql_using="brin")
    Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("topic", Text, nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("value", LargeBinary),
        Column("headers", JSONB, nullable=False),
        _moment("created_at"),
        comment="Records that are to be published, in this order; the relay deletes what Kafka has.",
    )
    timers = Table(
        "timers",
        metadata,
        Column("name", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("due", DateTime(timezone=True), nullable=False),
        Column("payload", JSONB, nullable=False),
        Column("failures", Integer, nullable=False, server_default="0"),
        Column("try_at", DateTime(timezone=True), nullable=False),
        comment="Each row is handled once, at try_at: its due time, or later after a failure.",
    )
    Index(None, timers.c.try_at)
    Table(
        "dead_letters",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("consumer", Text, nullable=False),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("offset", BigInteger, nullable=False),
        Column("key", LargeBinary),
        Column("value", LargeBinary),
        Column("headers", JSONB, nullable=False),
        Column("reason", Text, nullable=False),
        _moment("failed_at"),
        UniqueConstraint("consumer", "topic", "partition", "offset"),
        comment="Records that could not be read or were refused, as they were, and why.",
    )
    Table(
        "checkpoints",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("next_offset", BigInteger, nullable=False),
        _moment("updated_at"),
        comment="Up to where a projection has applied each partition.",
    )
