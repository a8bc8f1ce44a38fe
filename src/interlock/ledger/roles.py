"""Rights in PostgreSQL: the application may add events and read them, and nothing else about them."""

from sqlalchemy import Engine, text

from interlock.ledger.failures import translated
from interlock.ledger.tables import ANCHOR, EVENT, LEASE, PROJECTION, SCHEMA_VERSION
from interlock.model.errors import ConfigError

# Leases and projections are working memory and change; their triggers and `audit verify` keep an eye on them.
RIGHTS = {
    EVENT.name: "SELECT, INSERT",
    ANCHOR.name: "SELECT, INSERT",
    LEASE.name: "SELECT, INSERT, UPDATE",
    PROJECTION.name: "SELECT, INSERT, UPDATE, DELETE",
    SCHEMA_VERSION.name: "SELECT",
}


def grant_application_role(engine: Engine, role: str) -> None:
    """``role`` exists (made without a login where it did not) and has exactly ``RIGHTS`` on the ledger's tables.

    Run as the owner of the tables, of a ledger that is open already. ``ConfigError`` on SQLite, and for a role that
    nothing could be refused to: a superuser, the owner of the tables, or a member of it.
    """
    if engine.dialect.name != "postgresql":
        raise ConfigError(
            "SQLite has no roles: whoever may write the file may write the ledger.",
            remedy="Use PostgreSQL for a ledger that several people write.",
        )
    name = engine.dialect.identifier_preparer.quote_identifier(role)
    with translated("in PostgreSQL"), engine.begin() as connection:
        known = connection.execute(text("SELECT rolsuper FROM pg_roles WHERE rolname = :role"), {"role": role}).scalar()
        if known is None:
            connection.exec_driver_sql(f"CREATE ROLE {name} NOLOGIN")
        owns = connection.execute(
            text("SELECT pg_has_role(:role, relowner, 'MEMBER') FROM pg_class WHERE oid = 'event'::regclass"),
            {"role": role},
        ).scalar_one()
        if known or owns:
            raise ConfigError(
                f"The role {role} is a superuser or owns the ledger's tables: nothing can be refused to it.",
                remedy="Name another role, and let Interlock log in as that one.",
            )
        schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema} TO {name}")
        for table, rights in RIGHTS.items():
            connection.exec_driver_sql(f"REVOKE ALL ON {table} FROM {name}, PUBLIC")
            connection.exec_driver_sql(f"GRANT {rights} ON {table} TO {name}")
