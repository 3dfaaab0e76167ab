"""Groups, subscriptions, and the chassis' tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.migrations import create_chassis_tables

revision = "0001"
down_revision = None

SCHEMA = "billing"


def upgrade() -> None:
    create_chassis_tables(op, SCHEMA)
    op.create_table(
        "groups",
        sa.Column("group_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name="pk_groups"),
        schema=SCHEMA,
    )
    op.create_table(
        "subscriptions",
        sa.Column("group_id", sa.Text, nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("features", ARRAY(sa.Text), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name="pk_subscriptions"),
        schema=SCHEMA,
    )
