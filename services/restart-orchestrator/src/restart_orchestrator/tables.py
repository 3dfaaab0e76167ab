"""The orchestrator's tables: what it remembers of other services, and its attempts."""

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, Table, Text, Uuid, text
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
    comment="The last status of each connector, named evse/connector; 0/0 is the charger as a whole.",
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

boots = Table(
    "boots",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    _moment("said_at"),
    comment="The last boot of each charger that nobody had asked for.",
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
    comment="Where each attempt stands; the transitions are the truth and this their sum. watching: news of the "
    "charger go to it, because it is open, or lost and the last one of its charger.",
)
Index(
    "uq_attempts_watching",
    attempts.c.charger_id,
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
