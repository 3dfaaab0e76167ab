"""The bridge's own tables: whose socket is where, what was sent, which transaction ids were given, who is alive."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import service_metadata
from chassis.tables import chassis_tables

SCHEMA = "ocpp_bridge"
metadata = service_metadata(SCHEMA)
chassis_tables(metadata)

charger_sessions = Table(
    "charger_sessions",
    metadata,
    Column("charger_id", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False, comment="Of the charger's last session; it only grows."),
    Column("instance", Text, nullable=False, comment="The bridge instance that answers for that session."),
    Column("protocol", Text, nullable=False),
    Column("accepted", Boolean, nullable=False, server_default=text("false"), comment="The last boot was accepted."),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True), comment="Null while the session is open."),
    Column("taken_from", ARRAY(Text), comment="The other instances that held a session and have not let go of it yet."),
    comment="The last websocket session of each charger.",
)
Index(None, charger_sessions.c.instance)
Index(None, charger_sessions.c.taken_from, postgresql_where=charger_sessions.c.taken_from.is_not(None))

reset_ledger = Table(
    "reset_ledger",
    metadata,
    Column("attempt_id", Uuid, primary_key=True),
    Column("escalation", SmallInteger, primary_key=True, server_default=text("0")),
    Column("charger_id", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("message_id", Text, nullable=False, comment="Of the Reset frame."),
    Column("claim", Uuid, nullable=False, comment="Who claimed it: a repeated statement finds its own row."),
    Column("instance", Text, nullable=False),
    Column("claimed_at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text, comment="Null until there is one; `unanswered` may still become an answer."),
    UniqueConstraint("charger_id", "message_id"),
    comment="Every Reset, claimed before its frame is written: a frame without a row does not exist.",
)
Index("ix_reset_ledger_open", reset_ledger.c.instance, postgresql_where=reset_ledger.c.outcome.is_(None))

transactions = Table(
    "transactions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("charger_id", Text, nullable=False),
    Column("connector_id", Integer, nullable=False),
    Column("meter_start", BigInteger, nullable=False, comment="Wh"),
    Column("started_at", Text, nullable=False, comment="As the charger wrote it."),
    UniqueConstraint("charger_id", "connector_id", "started_at", "meter_start"),
    comment="The transaction ids of OCPP 1.6, which the server gives.",
)

bridge_leases = Table(
    "bridge_leases",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("renewed_at", DateTime(timezone=True), nullable=False),
    Column("given_up", Boolean, nullable=False, server_default=text("false"), comment="It ended in good order."),
    comment="The bridge instances that are alive, or were until a moment ago.",
)

password_changes = Table(
    "password_changes",
    metadata,
    Column("call_id", Uuid, primary_key=True, comment="Of the RotatePassword; also the messageId of the frame."),
    Column("charger_id", Text, nullable=False),
    Column("salt", Text, nullable=False),
    Column("verifier", Text, nullable=False, comment="Of the new password, as fleet publishes it."),
    Column("replaced", Text, comment="The verifier that the charger had when it was sent the new password."),
    Column("replaces", BigInteger, nullable=False, comment="The version of the credential that it is based on."),
    Column("staged_at", DateTime(timezone=True), nullable=False, comment="Before the frame was written."),
    Column("accepted_at", DateTime(timezone=True), comment="Null while nobody knows whether the charger took it."),
    comment="New passwords that fleet has not taken over yet; no row is left once it has.",
)
Index(None, password_changes.c.charger_id)
