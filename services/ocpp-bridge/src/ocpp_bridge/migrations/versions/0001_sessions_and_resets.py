"""Sessions, Resets, transaction ids and leases, and the chassis' tables."""

import sqlalchemy as sa
from alembic import op

from chassis.migrations import create_chassis_tables

revision = "0001"
down_revision = None

SCHEMA = "ocpp_bridge"


def upgrade() -> None:
    create_chassis_tables(op, SCHEMA)
    op.create_table(
        "charger_sessions",
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False, comment="Of the charger's last session; it only grows."),
        sa.Column("instance", sa.Text, nullable=False, comment="The bridge instance that answers for that session."),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column(
            "accepted",
            sa.Boolean,
            nullable=False,
            server_default=sa.text("false"),
            comment="The last boot was accepted.",
        ),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), comment="Null while the session is open."),
        sa.Column("taken_from", sa.Text, comment="The other instance that held an open session when this one began."),
        sa.PrimaryKeyConstraint("charger_id", name="pk_charger_sessions"),
        schema=SCHEMA,
        comment="The last websocket session of each charger.",
    )
    op.create_index("ix_ocpp_bridge_charger_sessions_instance", "charger_sessions", ["instance"], schema=SCHEMA)
    op.create_index(
        "ix_ocpp_bridge_charger_sessions_taken_from",
        "charger_sessions",
        ["taken_from"],
        schema=SCHEMA,
        postgresql_where=sa.text("taken_from is not null"),
    )
    op.create_table(
        "reset_ledger",
        sa.Column("attempt_id", sa.Uuid, nullable=False),
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False, comment="Of the Reset frame."),
        sa.Column("claim", sa.Uuid, nullable=False, comment="Who claimed it: a repeated statement finds its own row."),
        sa.Column("instance", sa.Text, nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text, comment="Null until there is one; `unanswered` may still become an answer."),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_reset_ledger"),
        sa.UniqueConstraint("charger_id", "message_id", name="uq_reset_ledger_charger_id"),
        schema=SCHEMA,
        comment="Every Reset, claimed before its frame is written: a frame without a row does not exist.",
    )
    op.create_index(
        "ix_reset_ledger_open",
        "reset_ledger",
        ["instance"],
        schema=SCHEMA,
        postgresql_where=sa.text("outcome is null"),
    )
    op.create_table(
        "transactions",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("connector_id", sa.Integer, nullable=False),
        sa.Column("meter_start", sa.BigInteger, nullable=False, comment="Wh"),
        sa.Column("started_at", sa.Text, nullable=False, comment="As the charger wrote it."),
        sa.PrimaryKeyConstraint("id", name="pk_transactions"),
        sa.UniqueConstraint(
            "charger_id", "connector_id", "started_at", "meter_start", name="uq_transactions_charger_id"
        ),
        schema=SCHEMA,
        comment="The transaction ids of OCPP 1.6, which the server gives.",
    )
    op.create_table(
        "bridge_leases",
        sa.Column("instance", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("renewed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "given_up",
            sa.Boolean,
            nullable=False,
            server_default=sa.text("false"),
            comment="It ended in good order.",
        ),
        sa.PrimaryKeyConstraint("instance", name="pk_bridge_leases"),
        schema=SCHEMA,
        comment="The bridge instances that are alive, or were until a moment ago.",
    )
