"""An attempt may have a second, harder Reset: the ledger claims each of its Resets once."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

SCHEMA = "ocpp_bridge"


def upgrade() -> None:
    number = sa.Column("escalation", sa.SmallInteger, nullable=False, server_default=sa.text("0"))
    op.add_column("reset_ledger", number, schema=SCHEMA)
    op.drop_constraint("pk_reset_ledger", "reset_ledger", schema=SCHEMA)
    op.create_primary_key("pk_reset_ledger", "reset_ledger", ["attempt_id", "escalation"], schema=SCHEMA)
