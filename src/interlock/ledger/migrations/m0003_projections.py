"""Projections: what each environment's events add up to, up to some event. Can be thrown away at any time."""

from sqlalchemy import Connection


def upgrade(connection: Connection) -> None:
    """``projection`` exists."""
    connection.exec_driver_sql(
        "CREATE TABLE projection (environment TEXT PRIMARY KEY, number BIGINT NOT NULL, hash TEXT NOT NULL,"
        " state TEXT NOT NULL)"
    )
