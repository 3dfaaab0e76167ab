"""Who was not let in, under a charger's name or as a stranger."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

SCHEMA = "portal"


def _counted() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
    )


def upgrade() -> None:
    op.create_table(
        "refusals",
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("named_by", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        *_counted(),
        sa.PrimaryKeyConstraint("charger_id", "why", "cause", "named_by", "address", name=op.f("pk_refusals")),
        schema=SCHEMA,
        comment="Who was not let in under a charger's name: of each the kinds that happened last, counted.",
    )
    op.create_table(
        "strangers",
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("claimed_name", sa.Text),
        *_counted(),
        sa.PrimaryKeyConstraint("why", "cause", "address", name=op.f("pk_strangers")),
        schema=SCHEMA,
        comment="Who was turned away without having named a charger: the kinds that happened last, counted.",
    )
