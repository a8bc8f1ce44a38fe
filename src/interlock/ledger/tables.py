"""The tables as queries name them. What creates them, and guards them, are the migrations."""

from sqlalchemy import BigInteger, Column, MetaData, Table, Text

METADATA = MetaData()

SCHEMA_VERSION = Table(
    "schema_version",
    METADATA,
    Column("version", BigInteger, primary_key=True),
    Column("applied_at", Text, nullable=False),
)

EVENT = Table(
    "event",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("deployment", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
)

# One row for each append: the number and hash that its last event had. Events removed from the end leave theirs behind.
ANCHOR = Table(
    "anchor",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", Text, nullable=False),
)

LEASE = Table(
    "lease",
    METADATA,
    Column("scope", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("acquired_at", Text, nullable=False),
    Column("renewed_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Column("info", Text, nullable=False),
)

PROJECTION = Table(
    "projection",
    METADATA,
    Column("environment", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    Column("state", Text, nullable=False),
)
