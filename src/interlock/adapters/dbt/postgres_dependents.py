"""What hangs on a PostgreSQL relation's object: views are repointed to the successor, all else is an obstacle."""

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.adapters.dbt import postgres_privileges as privileges
from interlock.adapters.dbt.relations import Move, Obstacle, Queries, Relation
from interlock.model.errors import RefusedError, WarehouseError

_OURS = "%\\_\\_ilk\\_%"

# A view hangs on what its rewrite rule names. Views beside production stay with the objects that they were made from.
_READERS = """
WITH RECURSIVE reader(oid, depth) AS (
    SELECT r.ev_class, 1 FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY(%s::bigint[]::oid[]) AND r.ev_class <> d.refobjid
  UNION
    SELECT r.ev_class, reader.depth + 1 FROM reader
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = reader.oid
    JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.ev_class <> d.refobjid
    WHERE reader.depth < 64
)
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, pg_get_viewdef(c.oid),
       coalesce(array_to_string(c.reloptions, ', '), ''),
       ARRAY(SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i WHERE i.indrelid = c.oid)
FROM (SELECT oid, max(depth) AS depth FROM reader GROUP BY oid) r
JOIN pg_class c ON c.oid = r.oid AND c.relkind IN ('v', 'm') JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT LIKE %s AND NOT c.oid = ANY(%s::bigint[]::oid[])
ORDER BY r.depth, c.oid
"""

_OBSTACLES = """
WITH moving AS (
    SELECT n.nspname::text AS schema, c.relname::text AS name, c.oid, c.reltype
    FROM unnest(%s::text[], %s::text[]) AS w(schema, name)
    JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
), found(oid, what) AS (
    SELECT k.confrelid, 'a foreign key of ' || k.conrelid::regclass || ' refers to it' FROM pg_constraint k
    WHERE k.contype = 'f' AND k.conrelid NOT IN (SELECT oid FROM moving)
  UNION ALL
    SELECT x.prrelid, 'publication ' || p.pubname || ' names it'
    FROM pg_publication_rel x JOIN pg_publication p ON p.oid = x.prpubid
  UNION ALL
    SELECT t.tgrelid, 'it has the trigger ' || t.tgname FROM pg_trigger t WHERE NOT t.tgisinternal
  UNION ALL
    SELECT r.ev_class, 'it has the rule ' || r.rulename FROM pg_rewrite r WHERE r.rulename <> '_RETURN'
  UNION ALL
    SELECT u.oid, 'it is part of an inheritance or partitioning'
    FROM pg_inherits i, unnest(ARRAY[i.inhparent, i.inhrelid]) AS u(oid)
  UNION ALL
    SELECT d.refobjid, 'function ' || d.objid::regprocedure || ' is bound to it' FROM pg_depend d
    WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass
  UNION ALL
    SELECT m.oid, 'function ' || d.objid::regprocedure || ' is bound to it' FROM pg_depend d
    JOIN moving m ON m.reltype = d.refobjid
    WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_type'::regclass
  UNION ALL
    SELECT m.oid, 'a column of ' || d.objid::regclass || ' has its row type' FROM pg_depend d
    JOIN moving m ON m.reltype = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_type'::regclass AND d.objsubid > 0
)
SELECT DISTINCT m.schema, m.name, f.what FROM moving m JOIN found f ON f.oid = m.oid ORDER BY 1, 2, 3
"""

_COLUMNS_READ = """
SELECT DISTINCT n.nspname::text, c.relname::text, a.attname::text
FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = %s AND d.refobjsubid > 0 AND r.ev_class <> d.refobjid
  AND n.nspname NOT LIKE %s
"""


@dataclass(frozen=True)
class Reader:
    """A view or materialised view outside the moves that reads one of their relations."""

    relation: Relation
    kind: str
    definition: str
    options: str
    indexes: tuple[str, ...]
    taken: privileges.Taken


def capture(session: Queries, moves: Sequence[Move]) -> list[Reader]:
    """Readers of what is about to be parked, those that others read first. Names in definitions are the live ones."""
    lives = _oids(session, [m.live for m in moves])
    moving = lives + _oids(session, [m.incoming for m in moves if m.incoming])
    rows = session.query(_READERS, (lives, _OURS, moving))
    readers = [Relation(schema, name) for _, schema, name, *_ in rows]
    if not readers:
        return []
    found = obstacles(session, readers)
    if found:
        raise RefusedError(
            f"the view {found[0].relation} cannot be repointed: {found[0].what}",
            remedy="Drop that object before the deployment and create it again afterwards.",
        )
    taken = privileges.capture(session, readers)
    return [
        Reader(reader, kind, definition.rstrip().rstrip(";"), options, tuple(indexes), taken[reader])
        for reader, (_, _, _, kind, definition, options, indexes) in zip(readers, rows, strict=True)
    ]


def _oids(session: Queries, relations: Sequence[Relation]) -> list[int]:
    rows = session.query(
        "SELECT c.oid::bigint FROM unnest(%s::text[], %s::text[]) AS w(schema, name)"
        " JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name",
        ([r.schema for r in relations], [r.name for r in relations]),
    )
    return [oid for (oid,) in rows]


def repoint(session: Queries, readers: Sequence[Reader]) -> None:
    """Each reader reads what now bears the names in its definition; ``RefusedError`` where that does not fit."""
    if not readers:
        return
    if all(reader.kind == "v" for reader in readers) and _replaced(session, readers):
        return
    for reader in reversed(readers):
        session.query(f"DROP {'MATERIALIZED VIEW' if reader.kind == 'm' else 'VIEW'} {reader.relation.sql}")
    for reader in readers:
        try:
            _create(session, reader)
        except WarehouseError as error:
            raise RefusedError(
                f"{reader.relation}, which is not part of the release, would break: {error.summary}",
                remedy="It reads what the release takes away: change that view first.",
            ) from None


def _replaced(session: Queries, readers: Sequence[Reader]) -> bool:
    """Whether replacing in place was enough; it keeps everything that hangs on the views themselves."""
    session.query("SAVEPOINT interlock_views")
    try:
        for reader in readers:
            options = f" WITH ({reader.options})" if reader.options else ""
            session.query(f"CREATE OR REPLACE VIEW {reader.relation.sql}{options} AS {reader.definition}")
    except WarehouseError:
        session.query("ROLLBACK TO SAVEPOINT interlock_views")
        return False
    session.query("RELEASE SAVEPOINT interlock_views")
    return True


def _create(session: Queries, reader: Reader) -> None:
    options = f" WITH ({reader.options})" if reader.options else ""
    noun = "MATERIALIZED VIEW" if reader.kind == "m" else "VIEW"
    session.query(f"CREATE {noun} {reader.relation.sql}{options} AS {reader.definition}")
    for index in reader.indexes:
        session.query(index)
    privileges.apply(session, {reader.relation: (reader.taken, True)})


def obstacles(session: Queries, relations: Sequence[Relation]) -> list[Obstacle]:
    """What keeps these relations from being replaced by others of the same names."""
    rows = session.query(_OBSTACLES, ([r.schema for r in relations], [r.name for r in relations]))
    return [Obstacle(Relation(schema, name), what) for schema, name, what in rows]


def lost_columns(session: Queries, live: Relation, candidate: Relation) -> list[str]:
    """``view: column`` for each column that a view reads from ``live`` and ``candidate`` does not have."""
    kept = {name for (name,) in session.query(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped",
        (session.oid(candidate) or 0,),
    )}  # fmt: skip
    rows = session.query(_COLUMNS_READ, (session.oid(live) or 0, _OURS))
    return [f"{schema}.{name}: {column}" for schema, name, column in rows if column not in kept]
