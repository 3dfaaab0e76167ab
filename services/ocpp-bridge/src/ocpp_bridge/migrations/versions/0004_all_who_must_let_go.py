"""A charger may have come by several instances before the first of them looks: each must let go of its session."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0004"
down_revision = "0003"

SCHEMA = "ocpp_bridge"


def upgrade() -> None:
    op.alter_column(
        "charger_sessions",
        "taken_from",
        type_=ARRAY(sa.Text),
        postgresql_using="case when taken_from is not null then array[taken_from] end",
        comment="The other instances that held a session and have not let go of it yet.",
        schema=SCHEMA,
    )
