"""Auth's tables: users, groups, memberships and signing keys."""

from sqlalchemy import BigInteger, Boolean, Column, DateTime, ForeignKey, Index, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from chassis.database import service_metadata
from chassis.tables import chassis_tables

SCHEMA = "auth"

metadata = service_metadata(SCHEMA)
chassis_tables(metadata)

users = Table(
    "users",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("password_hash", Text),
    Column("operator", Boolean, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("language", Text),
)
"""`password_hash` is argon2id's own notation; without one nobody can sign in as this user. `language` is the one they
chose, so that it follows them to another browser.
"""

groups = Table(
    "groups",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)

memberships = Table(
    "memberships",
    metadata,
    Column("group_id", ForeignKey(groups.c.group_id), primary_key=True),
    Column("user_id", ForeignKey(users.c.user_id), primary_key=True),
    Column("role", Text),
    Column("version", BigInteger, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)
"""A membership that ended keeps its row, without a role, so that its version goes on counting if it comes back."""

Index(None, memberships.c.user_id)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("private_key", Text, nullable=False),
    Column("encrypted", Boolean, nullable=False),
    Column("public_jwk", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("signs_from", DateTime(timezone=True), nullable=False),
)
"""Keys that tokens are, were or soon will be signed with; a retired key's row is gone."""
