"""The read views, the feed of changes, the accepted requests, and the chassis' tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from chassis.migrations import create_chassis_tables

revision = "0001"
down_revision = None

SCHEMA = "portal"


def upgrade() -> None:
    create_chassis_tables(op, SCHEMA)
    op.create_table(
        "accepted_requests",
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "accepted_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_accepted_requests")),
        schema=SCHEMA,
        comment="Requests that Kafka has and that the orchestrator has not answered yet.",
    )
    op.create_table(
        "attempt_moves",
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("move", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("attempt_id", "version", name=op.f("pk_attempt_moves")),
        schema=SCHEMA,
        comment="Every move of every attempt, whole: the black box.",
    )
    op.create_table(
        "attempts",
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("group_id", sa.Text, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("answered_by", sa.Uuid(), nullable=True),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_attempts")),
        schema=SCHEMA,
        comment="Where each attempt stands. answered_by: the attempt that was open when a second one was refused.",
    )
    op.create_index(
        "ix_attempts_open",
        "attempts",
        ["charger_id"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("NOT ended"),
    )
    op.create_index(
        op.f("ix_portal_attempts_charger_id"), "attempts", ["charger_id", "requested_at"], unique=False, schema=SCHEMA
    )
    op.create_table(
        "boots",
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text, nullable=True),
        sa.Column("vendor", sa.Text, nullable=True),
        sa.Column("model", sa.Text, nullable=True),
        sa.Column("firmware", sa.Text, nullable=True),
        sa.Column("serial", sa.Text, nullable=True),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("charger_id", name=op.f("pk_boots")),
        schema=SCHEMA,
        comment="What a charger said of itself at its last boot.",
    )
    op.create_table(
        "chargers",
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("group_id", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("site", sa.Text, nullable=True),
        sa.Column("vendor", sa.Text, nullable=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("abilities", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("charger_id", name=op.f("pk_chargers")),
        schema=SCHEMA,
        comment="Which chargers there are, and whose.",
    )
    op.create_index(op.f("ix_portal_chargers_group_id"), "chargers", ["group_id"], unique=False, schema=SCHEMA)
    op.create_table(
        "connectivity",
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("protocol", sa.Text, nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("charger_id", name=op.f("pk_connectivity")),
        schema=SCHEMA,
        comment="Whether a charger has an open session; guarded by the session's epoch.",
    )
    op.create_table(
        "connectors",
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("evse_id", sa.Integer(), nullable=False),
        sa.Column("connector_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("raw_status", sa.Text, nullable=False),
        sa.Column("error_code", sa.Text, nullable=True),
        sa.Column("info", sa.Text, nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("charger_id", "evse_id", "connector_id", name=op.f("pk_connectors")),
        schema=SCHEMA,
        comment="The last status of each connector. Connector 0 of OCPP 1.6 is the charger as a whole.",
    )
    op.create_table(
        "feed",
        sa.Column("cursor", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("charger_id", sa.Text, nullable=True),
        sa.Column("group_id", sa.Text, nullable=True),
        sa.Column("user_id", sa.Text, nullable=True),
        sa.Column("attempt_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("cursor", name=op.f("pk_feed")),
        schema=SCHEMA,
        comment="What changed, in the order of commits: the live stream's cursor. It points, and carries no state.",
    )
    op.create_index(
        op.f("ix_portal_feed_attempt_id"),
        "feed",
        ["attempt_id"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("attempt_id IS NOT NULL"),
    )
    op.create_table(
        "firmware_updates",
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("updating", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("charger_id", name=op.f("pk_firmware_updates")),
        schema=SCHEMA,
        comment="How a charger's last firmware update stands.",
    )
    op.create_table(
        "groups",
        sa.Column("group_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name=op.f("pk_groups")),
        schema=SCHEMA,
        comment="The groups' names. What auth said earlier never replaces what it said later.",
    )
    op.create_table(
        "memberships",
        sa.Column("group_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "user_id", name=op.f("pk_memberships")),
        schema=SCHEMA,
        comment="Who is what in which group.",
    )
    op.create_index(op.f("ix_portal_memberships_user_id"), "memberships", ["user_id"], unique=False, schema=SCHEMA)
    op.create_table(
        "plans",
        sa.Column("group_id", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("features", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name=op.f("pk_plans")),
        schema=SCHEMA,
        comment="The plan of each group.",
    )
    op.create_table(
        "transactions",
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("transaction_id", sa.Text, nullable=False),
        sa.Column("evse_id", sa.Integer(), nullable=True),
        sa.Column("connector_id", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("start_wh", sa.Float(), nullable=True),
        sa.Column("meter_wh", sa.Float(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.Text, nullable=True),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("charger_id", "transaction_id", name=op.f("pk_transactions")),
        schema=SCHEMA,
        comment="Charging transactions; one without an end is running.",
    )
    op.create_index(
        "ix_transactions_running",
        "transactions",
        ["charger_id"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
