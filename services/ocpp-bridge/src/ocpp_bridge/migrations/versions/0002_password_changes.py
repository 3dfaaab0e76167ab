"""New passwords under way."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

SCHEMA = "ocpp_bridge"


def upgrade() -> None:
    op.create_table(
        "password_changes",
        sa.Column(
            "call_id", sa.Uuid, nullable=False, comment="Of the RotatePassword; also the messageId of the frame."
        ),
        sa.Column("charger_id", sa.Text, nullable=False),
        sa.Column("salt", sa.Text, nullable=False),
        sa.Column("verifier", sa.Text, nullable=False, comment="Of the new password, as fleet publishes it."),
        sa.Column("replaced", sa.Text, comment="The verifier that the charger had when it was sent the new password."),
        sa.Column(
            "replaces", sa.BigInteger, nullable=False, comment="The version of the credential that it is based on."
        ),
        sa.Column("staged_at", sa.DateTime(timezone=True), nullable=False, comment="Before the frame was written."),
        sa.Column(
            "accepted_at",
            sa.DateTime(timezone=True),
            comment="Null while nobody knows whether the charger took it.",
        ),
        sa.PrimaryKeyConstraint("call_id", name="pk_password_changes"),
        schema=SCHEMA,
        comment="New passwords that fleet has not taken over yet; no row is left once it has.",
    )
    op.create_index("ix_ocpp_bridge_password_changes_charger_id", "password_changes", ["charger_id"], schema=SCHEMA)
