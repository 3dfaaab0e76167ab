"""How long restarts usually take, and an index for the history of a group."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

SCHEMA = "portal"


def upgrade() -> None:
    op.create_table(
        "durations",
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("firmware", sa.Text, nullable=False),
        sa.Column("expected", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("model", "firmware", name=op.f("pk_durations")),
        schema=SCHEMA,
        comment="How long restarts of a model usually take; firmware '' is all of its firmware together.",
    )
    op.create_index(
        op.f("ix_portal_attempts_group_id"), "attempts", ["group_id", "requested_at"], unique=False, schema=SCHEMA
    )
