"""The orchestrator's tables: what it remembers of other services, and its attempts."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    Float,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from chassis.database import service_metadata
from chassis.tables import chassis_tables

SCHEMA = "restart_orchestrator"

metadata = service_metadata(SCHEMA)
chassis_tables(metadata)


def _moment(name: str) -> Column[datetime]:
    return Column(name, DateTime(timezone=True), nullable=False)


# --- what other services said: written by projections only, each of which may be rebuilt at any time ------------------

memberships = Table(
    "memberships",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    comment="The role of each person in each group.",
)

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
    Column("model", Text, nullable=False),
    Column("abilities", ARRAY(Text), nullable=False),
    Column("version", BigInteger, nullable=False),
    comment="Which chargers there are, whose, and what they can do.",
)

connectivity = Table(
    "connectivity",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("online", Boolean, nullable=False),
    _moment("since"),
    Column("protocol", Text),
    comment="The latest session of each charger. The protocol of a session that is over is not remembered.",
)

connectors = Table(
    "connectors",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("connector", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    _moment("said_at"),
    Column("error_code", Text),
    Column("reported_at", DateTime(timezone=True)),
    comment="The last status of each connector, named evse/connector; 0/0 is the charger as a whole. reported_at is by "
    "the charger's own clock: what it says late is not its last word.",
)

transactions = Table(
    "transactions",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("transaction_id", Text, primary_key=True),
    Column("evse_id", Integer),
    Column("connector_id", Integer),
    Column("ended", Boolean, nullable=False),
    _moment("said_at"),
    comment="Charging transactions; those that have ended are kept, so that late news do not begin them again.",
)
Index("ix_transactions_running", transactions.c.charger_id, postgresql_where=~transactions.c.ended)
Index("ix_transactions_ended", transactions.c.said_at, postgresql_where=transactions.c.ended)

boots = Table(
    "boots",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    _moment("said_at"),
    Column("firmware", Text),
    comment="The last boot of each charger that nobody had asked for, and the firmware that it named.",
)

recent_boots = Table(
    "recent_boots",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("booted_at", ARRAY(DateTime(timezone=True)), nullable=False),
    comment="When each charger booted the last times, the latest first; so many as tell a boot loop.",
)

restart_policies = Table(
    "restart_policies",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("escalation", Text, nullable=False),
    Column("per_day", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    comment="What each group allows when a soft Reset brings nothing.",
)

firmware_updates = Table(
    "firmware_updates",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("updating", Boolean, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    _moment("said_at"),
    comment="Whether a firmware update is under way.",
)

# --- the orchestrator's own -------------------------------------------------------------------------------------------

attempts = Table(
    "attempts",
    metadata,
    Column("attempt_id", Uuid, primary_key=True),
    Column("charger_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("watching", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("traceparent", Text),
    _moment("moved_at"),
    Column("state", JSONB, nullable=False),
    Column("lost", Boolean, Computed("status = 'lost'::text", persisted=True)),
    comment="Where each attempt stands; the transitions are the truth and this their sum. watching: news of the "
    "charger go to it, because it is open, or lost and no newer Reset was decided on.",
)
Index(
    "uq_attempts_watching",
    attempts.c.charger_id,
    attempts.c.lost,
    unique=True,
    postgresql_where=text("watching"),
)

attempt_transitions = Table(
    "attempt_transitions",
    metadata,
    Column("attempt_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("status", Text, nullable=False),
    Column("cause", Uuid, nullable=False),
    _moment("at"),
    Column("transition", JSONB, nullable=False),
    comment="Every transition of every attempt, with its evidence and the message that caused it; never changed.",
)
Index("ix_attempts_charger", attempts.c.charger_id)
Index("ix_attempt_transitions_opened", attempt_transitions.c.at, postgresql_where=text("version = 0"))
Index("ix_attempt_transitions_restarted", attempt_transitions.c.at, postgresql_where=text("status = 'restarted'"))
# Neither may be on attempts: a column that changes with each move, once indexed, makes each move rewrite every index.
# For the same reason uq_attempts_watching has `lost`, which changes once, and not the status.

duration_samples = Table(
    "duration_samples",
    metadata,
    Column("attempt_id", Uuid, primary_key=True),
    Column("charger_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("firmware", Text, nullable=False),
    _moment("ended_at"),
    Column("drop_s", Float),
    Column("boot_s", Float),
    Column("healthy_s", Float),
    Column("away_s", Float),
    comment="How long the last restarts took, in seconds; a few of each charger. firmware is empty where none is "
    "known.",
)
Index("ix_duration_samples_model", duration_samples.c.model, duration_samples.c.firmware, duration_samples.c.ended_at)
Index("ix_duration_samples_charger", duration_samples.c.charger_id, duration_samples.c.ended_at)

durations = Table(
    "durations",
    metadata,
    Column("model", Text, primary_key=True),
    Column("firmware", Text, primary_key=True),
    Column("expected", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False),
    comment="How long restarts usually take, as last published; firmware is empty for all of a model's.",
)

learning = Table(
    "learning",
    metadata,
    Column("name", Text, primary_key=True),
    _moment("until"),
    comment="Up to when finished attempts were learned from.",
)
