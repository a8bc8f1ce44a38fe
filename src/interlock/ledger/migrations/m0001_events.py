"""Events and their anchors: rows can be added at the end, and neither changed nor removed."""

from sqlalchemy import Connection

_TABLES = (
    """
    CREATE TABLE event (
        number {number} PRIMARY KEY CHECK (number > 0),
        at TEXT NOT NULL,
        type TEXT NOT NULL,
        environment TEXT NOT NULL,
        deployment TEXT NOT NULL,
        actor TEXT NOT NULL,
        data TEXT NOT NULL,
        previous TEXT NOT NULL CHECK (length(previous) = 64),
        hash TEXT NOT NULL CHECK (length(hash) = 64)
    )
    """,
    "CREATE INDEX event_environment ON event (environment, number)",
    "CREATE INDEX event_deployment ON event (deployment, number)",
    "CREATE TABLE anchor (number {number} PRIMARY KEY, hash TEXT NOT NULL CHECK (length(hash) = 64))",
)

# The insert trigger also closes a side door: INSERT OR REPLACE removes the old row without firing a delete trigger.
_SQLITE = (
    """
    CREATE TRIGGER event_appends BEFORE INSERT ON event
    WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM event)
      OR NEW.previous <> coalesce((SELECT hash FROM event ORDER BY number DESC LIMIT 1), printf('%064d', 0))
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: an event goes at the end'); END
    """,
    """
    CREATE TRIGGER anchor_appends BEFORE INSERT ON anchor
    WHEN NEW.number <= (SELECT coalesce(max(number), 0) FROM anchor)
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: an anchor goes at the end'); END
    """,
    *(
        f"""
        CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}
        BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: no {verb} on {table}'); END
        """
        for table in ("event", "anchor")
        for verb in ("UPDATE", "DELETE")
    ),
)

# A fixed search path, temporary tables last: else a session could put a table of its own called "event" before ours.
_POSTGRESQL = (
    """
    CREATE FUNCTION interlock_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION USING
            ERRCODE = '42501', MESSAGE = 'the ledger is append-only: no ' || TG_OP || ' on ' || TG_TABLE_NAME;
    END $$
    """,
    """
    CREATE FUNCTION interlock_event_appends() RETURNS trigger LANGUAGE plpgsql
    SET search_path = {schema}, pg_temp AS $$
    DECLARE last_number bigint; last_hash text;
    BEGIN
        SELECT e.number, e.hash INTO last_number, last_hash FROM event e ORDER BY e.number DESC LIMIT 1;
        IF NEW.number <> coalesce(last_number, 0) + 1 OR NEW.previous <> coalesce(last_hash, repeat('0', 64)) THEN
            RAISE EXCEPTION 'the ledger is append-only: an event goes at the end' USING ERRCODE = '42501';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION interlock_anchor_appends() RETURNS trigger LANGUAGE plpgsql
    SET search_path = {schema}, pg_temp AS $$
    BEGIN
        IF NEW.number <= (SELECT coalesce(max(a.number), 0) FROM anchor a) THEN
            RAISE EXCEPTION 'the ledger is append-only: an anchor goes at the end' USING ERRCODE = '42501';
        END IF;
        RETURN NEW;
    END $$
    """,
    *(
        f"CREATE TRIGGER {table}_appends BEFORE INSERT ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION interlock_{table}_appends()"
        for table in ("event", "anchor")
    ),
    # Row triggers, not statement triggers: a statement that matches no row harms nothing. TRUNCATE has statements only.
    *(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table}"
        f" FOR EACH {'STATEMENT' if verb == 'TRUNCATE' else 'ROW'} EXECUTE FUNCTION interlock_append_only()"
        for table in ("event", "anchor")
        for verb in ("UPDATE", "DELETE", "TRUNCATE")
    ),
)

GUARDS = frozenset(
    f"{table}_{guard}" for table in ("event", "anchor") for guard in ("appends", "no_update", "no_delete")
)


def upgrade(connection: Connection) -> None:
    """``event`` and ``anchor`` exist and are guarded."""
    sqlite = connection.dialect.name == "sqlite"
    for statement in _TABLES:
        # SQLite stores INTEGER PRIMARY KEY as the row's own place, so events lie on the disk in their order.
        connection.exec_driver_sql(statement.format(number="INTEGER" if sqlite else "BIGINT"))
    if sqlite:
        for statement in _SQLITE:
            connection.exec_driver_sql(statement)
        return
    schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for statement in _POSTGRESQL:
        connection.exec_driver_sql(statement.replace("{schema}", schema))
