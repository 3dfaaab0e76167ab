"""What each group allows when a soft restart brings nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

SCHEMA = "fleet"


def upgrade() -> None:
    op.create_table(
        "restart_policies",
        sa.Column("group_id", sa.Text, nullable=False),
        sa.Column("escalation", sa.Text, nullable=False),
        sa.Column("escalations_per_day", sa.SmallInteger, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name="pk_restart_policies"),
        schema=SCHEMA,
    )
