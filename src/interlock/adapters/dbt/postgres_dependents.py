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
SELECT 'a foreign key of ' || k.conrelid::regclass || ' refers to it' FROM pg_constraint k
WHERE k.contype = 'f' AND k.confrelid = %(oid)s AND NOT k.conrelid = ANY(%(moving)s::bigint[]::oid[])
UNION ALL
SELECT 'publication ' || p.pubname || ' names it' FROM pg_publication_rel x JOIN pg_publication p ON p.oid = x.prpubid
WHERE x.prrelid = %(oid)s
UNION ALL
SELECT 'it has the trigger ' || t.tgname FROM pg_trigger t WHERE t.tgrelid = %(oid)s AND NOT t.tgisinternal
UNION ALL
SELECT 'it has the rule ' || r.rulename FROM pg_rewrite r WHERE r.ev_class = %(oid)s AND r.rulename <> '_RETURN'
UNION ALL
SELECT 'it is part of an inheritance or partitioning' FROM pg_inherits i
WHERE %(oid)s IN (i.inhparent, i.inhrelid)
UNION ALL
SELECT 'function ' || p.oid::regprocedure || ' is bound to it' FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
WHERE d.classid = 'pg_proc'::regclass AND (
    (d.refclassid = 'pg_class'::regclass AND d.refobjid = %(oid)s)
    OR (d.refclassid = 'pg_type'::regclass AND d.refobjid = (SELECT reltype FROM pg_class WHERE oid = %(oid)s)))
UNION ALL
SELECT 'a column of ' || d.objid::regclass || ' has its row type' FROM pg_depend d
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_type'::regclass AND d.objsubid > 0
  AND d.refobjid = (SELECT reltype FROM pg_class WHERE oid = %(oid)s)
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
    taken: privileges.Taken | None


def capture(session: Queries, moves: Sequence[Move]) -> list[Reader]:
    """Readers of what is about to be parked, those that others read first. Names in definitions are the live ones."""
    lives = [oid for m in moves if (oid := session.oid(m.live)) is not None]
    moving = lives + [oid for m in moves if m.incoming and (oid := session.oid(m.incoming)) is not None]
    rows = session.query(_READERS, (lives, _OURS, moving))
    readers = [Relation(schema, name) for _, schema, name, *_ in rows]
    found = obstacles(session, readers)
    if found:
        raise RefusedError(
            f"the view {found[0].relation} cannot be repointed: {found[0].what}",
            remedy="Drop that object before the deployment and create it again afterwards.",
        )
    return [
        Reader(Relation(schema, name), kind, definition.rstrip().rstrip(";"), options, tuple(indexes),
               privileges.capture(session, Relation(schema, name)))
        for _, schema, name, kind, definition, options, indexes in rows
    ]  # fmt: skip


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
    if reader.taken is not None:
        privileges.apply(session, reader.relation, reader.taken, grants=True)


def obstacles(session: Queries, relations: Sequence[Relation]) -> list[Obstacle]:
    """What keeps these relations from being replaced by others of the same names."""
    oids = {relation: session.oid(relation) for relation in relations}
    moving = [oid for oid in oids.values() if oid is not None]
    found = []
    for relation, oid in oids.items():
        if oid is None:
            continue
        sql = _OBSTACLES.replace("%(oid)s", str(int(oid))).replace("%(moving)s", "%s")
        found += [Obstacle(relation, str(what)) for (what,) in session.query(sql, (moving,))]
    return found


def lost_columns(session: Queries, live: Relation, candidate: Relation) -> list[str]:
    """``view: column`` for each column that a view reads from ``live`` and ``candidate`` does not have."""
    kept = {name for (name,) in session.query(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped",
        (session.oid(candidate) or 0,),
    )}  # fmt: skip
    rows = session.query(_COLUMNS_READ, (session.oid(live) or 0, _OURS))
    return [f"{schema}.{name}: {column}" for schema, name, column in rows if column not in kept]
