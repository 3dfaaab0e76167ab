"""Attempts with their history, what is remembered of other services, and the chassis' tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from chassis.migrations import create_chassis_tables

revision = "0001"
down_revision = None

SCHEMA = "restart_orchestrator"


def _table(name: str, *parts: sa.schema.SchemaItem, key: tuple[str, ...], comment: str) -> None:
    op.create_table(name, *parts, sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"), schema=SCHEMA, comment=comment)


def _text(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text, nullable=nullable)


def _number(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _flag(name: str) -> sa.Column:
    return sa.Column(name, sa.Boolean, nullable=False)


def _moment(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _list(name: str) -> sa.Column:
    return sa.Column(name, ARRAY(sa.Text), nullable=False)


def upgrade() -> None:
    create_chassis_tables(op, SCHEMA)
    _remembered()
    _table(
        "attempts",
        sa.Column("attempt_id", sa.Uuid, nullable=False),
        _text("charger_id"),
        _text("status"),
        _flag("watching"),
        sa.Column("version", sa.Integer, nullable=False),
        _text("traceparent", nullable=True),
        _moment("moved_at"),
        sa.Column("state", JSONB, nullable=False),
        key=("attempt_id",),
        comment="Where each attempt stands; the transitions are the truth and this their sum. watching: news of the "
        "charger go to it, because it is open, or lost and the last one of its charger.",
    )
    op.create_index(
        "uq_attempts_watching",
        "attempts",
        ["charger_id"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("watching"),
    )
    _table(
        "attempt_transitions",
        sa.Column("attempt_id", sa.Uuid, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        _text("status"),
        sa.Column("cause", sa.Uuid, nullable=False),
        _moment("at"),
        sa.Column("transition", JSONB, nullable=False),
        key=("attempt_id", "version"),
        comment="Every transition of every attempt, with its evidence and the message that caused it; never changed.",
    )


def _remembered() -> None:
    _table(
        "memberships",
        _text("group_id"),
        _text("user_id"),
        _text("role"),
        _number("version"),
        key=("group_id", "user_id"),
        comment="The role of each person in each group.",
    )
    _table(
        "plans",
        _text("group_id"),
        _text("plan"),
        _list("features"),
        _number("version"),
        key=("group_id",),
        comment="The plan of each group.",
    )
    _table(
        "chargers",
        _text("charger_id"),
        _text("group_id"),
        _text("model"),
        _list("abilities"),
        _number("version"),
        key=("charger_id",),
        comment="Which chargers there are, whose, and what they can do.",
    )
    _table(
        "connectivity",
        _text("charger_id"),
        _number("epoch"),
        _flag("online"),
        _moment("since"),
        _text("protocol", nullable=True),
        key=("charger_id",),
        comment="The latest session of each charger. The protocol of a session that is over is not remembered.",
    )
    _table(
        "connectors",
        _text("charger_id"),
        _text("connector"),
        _text("state"),
        _number("epoch"),
        _moment("said_at"),
        key=("charger_id", "connector"),
        comment="The last status of each connector, named evse/connector; 0/0 is the charger as a whole.",
    )
    _table(
        "transactions",
        _text("charger_id"),
        _text("transaction_id"),
        sa.Column("evse_id", sa.Integer),
        sa.Column("connector_id", sa.Integer),
        _flag("ended"),
        _moment("said_at"),
        key=("charger_id", "transaction_id"),
        comment="Charging transactions; those that have ended are kept, so that late news do not begin them again.",
    )
    op.create_index(
        "ix_transactions_running",
        "transactions",
        ["charger_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("NOT ended"),
    )
    _table(
        "boots",
        _text("charger_id"),
        _number("epoch"),
        _moment("said_at"),
        key=("charger_id",),
        comment="The last boot of each charger that nobody had asked for.",
    )
    _table(
        "firmware_updates",
        _text("charger_id"),
        _flag("updating"),
        _number("epoch"),
        _moment("said_at"),
        key=("charger_id",),
        comment="Whether a firmware update is under way.",
    )
