"""Chargers, credentials, what is remembered of other services, and the chassis' tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.migrations import create_chassis_tables

revision = "0001"
down_revision = None

SCHEMA = "fleet"


def upgrade() -> None:
    create_chassis_tables(op, SCHEMA)
    op.create_table(
        "chargers",
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("removed", sa.Boolean, nullable=False),
        sa.Column("group_id", sa.Text),
        sa.Column("label", sa.Text),
        sa.Column("site", sa.Text),
        sa.Column("vendor", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("abilities", ARRAY(sa.Text), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("charger_id", name="pk_chargers"),
        schema=SCHEMA,
    )
    op.create_index("ix_fleet_chargers_group_id", "chargers", ["group_id"], schema=SCHEMA)
    op.create_table(
        "credentials",
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False),
        sa.Column("security_profile", sa.SmallInteger, nullable=False),
        sa.Column("salt", sa.Text),
        sa.Column("verifier", sa.Text),
        sa.Column("registration", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("charger_id", name="pk_credentials"),
        schema=SCHEMA,
    )
    op.create_table(
        "groups",
        sa.Column("group_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name="pk_groups"),
        schema=SCHEMA,
    )
    op.create_table(
        "connectivity",
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("online", sa.Boolean, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("protocol", sa.Text),
        sa.Column("bridge", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("charger_id", name="pk_connectivity"),
        schema=SCHEMA,
    )
