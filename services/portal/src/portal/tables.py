"""The portal's tables: what it shows, as read from topics, the feed of changes, and the requests it has accepted."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from chassis.database import service_metadata
from chassis.tables import chassis_tables

SCHEMA = "portal"

metadata = service_metadata(SCHEMA)
chassis_tables(metadata)


def _moment(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


# --- read views: written by projections only; without foreign keys, since each may be rebuilt at any time -------------

groups = Table(
    "groups",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    _moment("said_at"),
    comment="The groups' names. What auth said earlier never replaces what it said later.",
)

memberships = Table(
    "memberships",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    comment="Who is what in which group.",
)
Index(None, memberships.c.user_id)

plans = Table(
    "plans",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("features", ARRAY(Text), nullable=False),
    Column("version", BigInteger, nullable=False),
    comment="The plan of each group.",
)

chargers = Table(
    "chargers",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("group_id", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("site", Text),
    Column("vendor", Text),
    Column("model", Text, nullable=False),
    Column("abilities", ARRAY(Text), nullable=False),
    Column("version", BigInteger, nullable=False),
    comment="Which chargers there are, and whose.",
)
Index(None, chargers.c.group_id)

connectivity = Table(
    "connectivity",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("online", Boolean, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("protocol", Text),
    _moment("since"),
    comment="Whether a charger has an open session; guarded by the session's epoch.",
)

connectors = Table(
    "connectors",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("evse_id", Integer, primary_key=True),
    Column("connector_id", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("raw_status", Text, nullable=False),
    Column("error_code", Text),
    Column("info", Text),
    Column("epoch", BigInteger, nullable=False),
    _moment("said_at"),
    comment="The last status of each connector. Connector 0 of OCPP 1.6 is the charger as a whole.",
)

transactions = Table(
    "transactions",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("transaction_id", Text, primary_key=True),
    Column("evse_id", Integer),
    Column("connector_id", Integer),
    _moment("started_at", nullable=True),
    Column("start_wh", Float),
    Column("meter_wh", Float),
    _moment("ended_at", nullable=True),
    Column("end_reason", Text),
    _moment("said_at"),
    comment="Charging transactions; one without an end is running.",
)
Index("ix_transactions_running", transactions.c.charger_id, postgresql_where=transactions.c.ended_at.is_(None))

boots = Table(
    "boots",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("reason", Text),
    Column("vendor", Text),
    Column("model", Text),
    Column("firmware", Text),
    Column("serial", Text),
    _moment("said_at"),
    comment="What a charger said of itself at its last boot.",
)

firmware_updates = Table(
    "firmware_updates",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("updating", Boolean, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    _moment("said_at"),
    comment="How a charger's last firmware update stands.",
)

attempts = Table(
    "attempts",
    metadata,
    Column("attempt_id", Uuid, primary_key=True),
    Column("charger_id", Text, nullable=False),
    Column("group_id", Text),
    Column("version", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("answered_by", Uuid),
    Column("requested_by", Text, nullable=False),
    _moment("requested_at"),
    _moment("moved_at"),
    comment="Where each attempt stands. answered_by: the attempt that was open when a second one was refused.",
)
Index(None, attempts.c.charger_id, attempts.c.requested_at)
Index("ix_attempts_open", attempts.c.charger_id, postgresql_where=~attempts.c.ended)
Index(None, attempts.c.group_id, attempts.c.requested_at)

attempt_moves = Table(
    "attempt_moves",
    metadata,
    Column("attempt_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("charger_id", Text, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("move", JSONB, nullable=False),
    comment="Every move of every attempt, whole: the black box.",
)

durations = Table(
    "durations",
    metadata,
    Column("model", Text, primary_key=True),
    Column("firmware", Text, primary_key=True),
    Column("expected", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    comment="How long restarts of a model usually take; firmware '' is all of its firmware together.",
)

refusals = Table(
    "refusals",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("why", Text, primary_key=True),
    Column("cause", Text, primary_key=True),
    Column("named_by", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    _moment("first_at"),
    _moment("last_at"),
    _moment("said_at"),
    comment="Who was not let in under a charger's name: of each the kinds that happened last, counted.",
)

strangers = Table(
    "strangers",
    metadata,
    Column("why", Text, primary_key=True),
    Column("cause", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("claimed_name", Text),
    Column("count", BigInteger, nullable=False),
    _moment("first_at"),
    _moment("last_at"),
    _moment("said_at"),
    comment="Who was turned away without having named a charger: the kinds that happened last, counted.",
)

# --- the portal's own -------------------------------------------------------------------------------------------------

feed = Table(
    "feed",
    metadata,
    Column("cursor", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("charger_id", Text),
    Column("group_id", Text),
    Column("user_id", Text),
    Column("attempt_id", Uuid),
    Column("version", Integer),
    comment="What changed, in the order of commits: the live stream's cursor. It points, and carries no state.",
)
Index(None, feed.c.attempt_id, postgresql_where=feed.c.attempt_id.is_not(None))

charger_states = Table(
    "charger_states",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    _moment("updating_until", nullable=True),
    comment="Each charger's state in one word, worked out of the views for lists to find by. updating_until: how "
    "long a firmware update is believed to be under way.",
)

accepted_requests = Table(
    "accepted_requests",
    metadata,
    Column("attempt_id", Uuid, primary_key=True),
    Column("charger_id", Text, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("accepted_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    comment="Requests that Kafka has and that the orchestrator has not answered yet.",
)

request_keys = Table(
    "request_keys",
    metadata,
    Column("attempt_id", Uuid, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("claimed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    comment="What each attempt with an Idempotency-Key was first asked for: the key can't be used for another.",
)
Index(None, request_keys.c.claimed_at)
