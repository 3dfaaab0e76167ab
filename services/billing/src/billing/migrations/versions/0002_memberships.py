"""Who is what in which group."""

from alembic import op

from chassis.memberships import create_memberships_table

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    create_memberships_table(op, "billing")
