"""What finished restarts teach, what groups allow, and what a connector's fault and a boot's firmware were."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0002"
down_revision = "0001"

SCHEMA = "restart_orchestrator"


def upgrade() -> None:
    op.add_column("connectors", sa.Column("error_code", sa.Text), schema=SCHEMA)
    op.add_column("connectors", sa.Column("reported_at", sa.DateTime(timezone=True)), schema=SCHEMA)
    op.create_table_comment(
        "connectors",
        "The last status of each connector, named evse/connector; 0/0 is the charger as a whole. reported_at is by "
        "the charger's own clock: what it says late is not its last word.",
        schema=SCHEMA,
    )
    op.add_column("boots", sa.Column("firmware", sa.Text), schema=SCHEMA)
    op.create_table_comment(
        "boots",
        "The last boot of each charger that nobody had asked for, and the firmware that it named.",
        schema=SCHEMA,
    )
    _table(
        "recent_boots",
        _text("charger_id"),
        sa.Column("booted_at", ARRAY(sa.DateTime(timezone=True)), nullable=False),
        key=("charger_id",),
        comment="When each charger booted the last times, the latest first; so many as tell a boot loop.",
    )
    _table(
        "restart_policies",
        _text("group_id"),
        _text("escalation"),
        sa.Column("per_day", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        key=("group_id",),
        comment="What each group allows when a soft Reset brings nothing.",
    )
    _durations()
    _index("ix_attempts_charger", "attempts", "charger_id")
    _index("ix_attempt_transitions_opened", "attempt_transitions", "at", where="version = 0")
    _index("ix_attempt_transitions_restarted", "attempt_transitions", "at", where="status = 'restarted'")
    _index("ix_transactions_ended", "transactions", "said_at", where="ended")


def _durations() -> None:
    _table(
        "duration_samples",
        sa.Column("attempt_id", sa.Uuid, nullable=False),
        _text("charger_id"),
        _text("model"),
        _text("firmware"),
        _moment("ended_at"),
        *(sa.Column(name, sa.Float) for name in ("drop_s", "boot_s", "healthy_s", "away_s")),
        key=("attempt_id",),
        comment="How long the last restarts took, in seconds; a few of each charger. firmware is empty where none is "
        "known.",
    )
    _index("ix_duration_samples_model", "duration_samples", "model", "firmware", "ended_at")
    _index("ix_duration_samples_charger", "duration_samples", "charger_id", "ended_at")
    _table(
        "durations",
        _text("model"),
        _text("firmware"),
        sa.Column("expected", JSONB, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        key=("model", "firmware"),
        comment="How long restarts usually take, as last published; firmware is empty for all of a model's.",
    )
    _table(
        "learning",
        _text("name"),
        _moment("until"),
        key=("name",),
        comment="Up to when finished attempts were learned from.",
    )


def _table(name: str, *parts: sa.schema.SchemaItem, key: tuple[str, ...], comment: str) -> None:
    op.create_table(name, *parts, sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"), schema=SCHEMA, comment=comment)


def _index(name: str, table: str, *columns: str, where: str | None = None) -> None:
    condition = sa.text(where) if where is not None else None
    op.create_index(name, table, list(columns), schema=SCHEMA, postgresql_where=condition)


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text, nullable=False)


def _moment(name: str) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)
