"""Leases: one row a scope that is never removed, so that its token only grows."""

from sqlalchemy import Connection

_TABLE = """
    CREATE TABLE lease (
        scope TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        token BIGINT NOT NULL CHECK (token > 0),
        acquired_at TEXT NOT NULL,
        renewed_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        info TEXT NOT NULL
    )
    """

_SQLITE = (
    """
    CREATE TRIGGER lease_token BEFORE UPDATE ON lease WHEN NEW.token < OLD.token OR NEW.scope <> OLD.scope
    BEGIN SELECT RAISE(ABORT, 'the token of a lease only grows'); END
    """,
    """
    CREATE TRIGGER lease_no_delete BEFORE DELETE ON lease
    BEGIN SELECT RAISE(ABORT, 'the token of a lease only grows: a lease is released, not deleted'); END
    """,
)

_POSTGRESQL = (
    """
    CREATE FUNCTION interlock_lease_token() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'UPDATE' OR NEW.token < OLD.token OR NEW.scope <> OLD.scope THEN
            RAISE EXCEPTION 'the token of a lease only grows' USING ERRCODE = '42501';
        END IF;
        RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER lease_token BEFORE UPDATE OR DELETE ON lease FOR EACH ROW EXECUTE FUNCTION interlock_lease_token()",
)


def upgrade(connection: Connection) -> None:
    """``lease`` exists."""
    connection.exec_driver_sql(_TABLE)
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL:
        connection.exec_driver_sql(statement)
