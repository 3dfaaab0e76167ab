"""Fleet's tables: chargers, their credentials, groups with their members and restart policies, and who is online."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import service_metadata
from chassis.memberships import memberships_table
from chassis.tables import chassis_tables

SCHEMA = "fleet"

metadata = service_metadata(SCHEMA)
chassis_tables(metadata)

chargers = Table(
    "chargers",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("removed", Boolean, nullable=False),
    Column("group_id", Text),
    Column("label", Text),
    Column("site", Text),
    Column("vendor", Text),
    Column("model", Text),
    Column("abilities", ARRAY(Text), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)
"""A removed charger's row stays, empty, so that its version goes on counting if it comes back."""

Index(None, chargers.c.group_id)

credentials = Table(
    "credentials",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("revoked", Boolean, nullable=False),
    Column("security_profile", SmallInteger, nullable=False),
    Column("salt", Text),
    Column("verifier", Text),
    Column("registration", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)
"""Apart from `chargers`, so that what shows chargers never touches a verifier."""

groups = Table(
    "groups",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("said_at", DateTime(timezone=True), nullable=False),
)
"""A projection of auth.groups.v1. `said_at` guards it: what auth said earlier never replaces what it said later."""

memberships = memberships_table(metadata)

restart_policies = Table(
    "restart_policies",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("escalation", Text, nullable=False),
    Column("escalations_per_day", SmallInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)
"""What each group allows when a soft restart brings nothing; a group without a row allows nothing more."""

connectivity = Table(
    "connectivity",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("online", Boolean, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("protocol", Text),
    Column("bridge", Text, nullable=False),
)
"""A projection of ocpp.connectivity.v1, guarded by `epoch`: the end of a session counts after its beginning."""
