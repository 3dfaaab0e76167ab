"""Each charger's state, for lists to find by, and what was asked for under each Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

SCHEMA = "portal"


def upgrade() -> None:
    op.create_table(
        "charger_states",
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("updating_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("charger_id", name=op.f("pk_charger_states")),
        schema=SCHEMA,
        comment="Each charger's state in one word, worked out of the views for lists to find by. updating_until: how "
        "long a firmware update is believed to be under way.",
    )
    op.create_table(
        "request_keys",
        sa.Column("attempt_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column(
            "claimed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_request_keys")),
        schema=SCHEMA,
        comment="What each attempt with an Idempotency-Key was first asked for: the key can't be used for another.",
    )
    op.create_index(
        op.f("ix_portal_request_keys_claimed_at"), "request_keys", ["claimed_at"], unique=False, schema=SCHEMA
    )
