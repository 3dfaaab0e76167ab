"""Billing's tables: the groups it has heard of, who is what in them, and the plan that each has."""

from sqlalchemy import BigInteger, Column, DateTime, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import service_metadata
from chassis.memberships import memberships_table
from chassis.tables import chassis_tables

SCHEMA = "billing"

metadata = service_metadata(SCHEMA)
chassis_tables(metadata)

groups = Table(
    "groups",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("said_at", DateTime(timezone=True), nullable=False),
)
"""A projection of auth.groups.v1. `said_at` guards it: what auth said earlier never replaces what it said later."""

memberships = memberships_table(metadata)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("features", ARRAY(Text), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)
"""The plan of each group. No foreign key to `groups`, which may be rebuilt at any time."""
