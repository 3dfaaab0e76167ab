"""A lost attempt goes on to watch its charger beside one that waits: one of each kind may watch, and no more."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

SCHEMA = "restart_orchestrator"


def upgrade() -> None:
    lost = sa.Column("lost", sa.Boolean, sa.Computed("status = 'lost'::text", persisted=True))
    op.add_column("attempts", lost, schema=SCHEMA)
    op.drop_index("uq_attempts_watching", "attempts", schema=SCHEMA)
    op.create_index(
        "uq_attempts_watching",
        "attempts",
        ["charger_id", "lost"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("watching"),
    )
    op.create_table_comment(
        "attempts",
        "Where each attempt stands; the transitions are the truth and this their sum. watching: news of the "
        "charger go to it, because it is open, or lost and no newer Reset was decided on.",
        schema=SCHEMA,
    )
