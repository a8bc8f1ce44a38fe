"""Owner, grants, comments and row policies of PostgreSQL relations, taken from some objects and given to others."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.adapters.dbt.relations import Queries, Relation, quoted

_COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}
_GRANTEE = "CASE x.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(x.grantee)::text END"


@dataclass(frozen=True)
class Grant:
    """One privilege; ``column`` is "" for the whole relation, ``grantee`` is ``None`` for PUBLIC."""

    privilege: str
    grantee: str | None
    grantable: bool
    column: str

    def statement(self, relation: Relation) -> str:
        target = f" ({quoted(self.column)})" if self.column else ""
        option = " WITH GRANT OPTION" if self.grantable else ""
        return f"GRANT {self.privilege}{target} ON {relation.sql} TO {_who(self.grantee)}{option}"


@dataclass(frozen=True)
class Taken:
    """What belongs to a relation but not to its definition. ``comments``: by column, "" for the relation itself."""

    kind: str
    owner: str
    secured: bool
    forced: bool
    grants: tuple[Grant, ...]
    comments: dict[str, str]
    policies: dict[str, str]  # by name; the statement has {relation} in the relation's place
    columns: frozenset[str]


def capture(session: Queries, relations: Sequence[Relation]) -> dict[Relation, Taken]:
    """All of it for each relation that exists: a handful of statements, however many relations there are."""
    rows = session.query(
        "SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text, pg_get_userbyid(c.relowner)::text,"
        " c.relrowsecurity, c.relforcerowsecurity, ARRAY(SELECT a.attname::text FROM pg_attribute a"
        " WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)"
        " FROM unnest(%s::text[], %s::text[]) AS w(schema, name)"
        " JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name",
        ([r.schema for r in relations], [r.name for r in relations]),
    )
    oids = [row[0] for row in rows]
    grants, comments, policies = _grants(session, oids), _comments(session, oids), _policies(session, oids)
    return {
        Relation(schema, name): Taken(
            kind, owner, secured, forced, tuple(grants[oid]), comments[oid], policies[oid], frozenset(columns)
        )
        for oid, schema, name, kind, owner, secured, forced, columns in rows
    }


def apply(session: Queries, wanted: Mapping[Relation, tuple[Taken, bool]]) -> None:
    """Each relation has the owner, policies, comments (where it has none) and, if the flag says so, the grants."""
    has = capture(session, list(wanted))
    for relation, (taken, with_grants) in wanted.items():
        now = has[relation]
        noun = {"v": "VIEW", "m": "MATERIALIZED VIEW"}.get(now.kind, "TABLE")
        if with_grants:
            _apply_grants(session, relation, now, taken)
        if now.kind in "rp" and taken.kind in "rp":
            _apply_policies(session, relation, now, taken)
        for column, text in taken.comments.items():
            if column in now.comments or (column and column not in now.columns):
                continue
            what = f"COLUMN {relation.sql}.{quoted(column)}" if column else f"{noun} {relation.sql}"
            session.query(f"COMMENT ON {what} IS {_literal(text)}")
        if now.owner != taken.owner:
            session.query(f"ALTER {noun} {relation.sql} OWNER TO {quoted(taken.owner)}")


def _apply_grants(session: Queries, relation: Relation, now: Taken, taken: Taken) -> None:
    wanted = {g for g in taken.grants if not g.column or g.column in now.columns}
    if set(now.grants) == wanted:
        return
    for grantee in dict.fromkeys(grant.grantee for grant in now.grants):
        session.query(f"REVOKE ALL ON {relation.sql} FROM {_who(grantee)}")
    for grant in taken.grants:
        if grant in wanted:
            session.query(grant.statement(relation))


def _apply_policies(session: Queries, relation: Relation, now: Taken, taken: Taken) -> None:
    for name, statement in taken.policies.items():
        if name not in now.policies:
            session.query(statement.replace("{relation}", relation.sql))
    if taken.secured and not now.secured:
        session.query(f"ALTER TABLE {relation.sql} ENABLE ROW LEVEL SECURITY")
    if taken.forced and not now.forced:
        session.query(f"ALTER TABLE {relation.sql} FORCE ROW LEVEL SECURITY")


def _grants(session: Queries, oids: list[int]) -> defaultdict[int, list[Grant]]:
    found: defaultdict[int, list[Grant]] = defaultdict(list)
    # The owner's own privileges come with ownership.
    for oid, privilege, grantee, grantable, column in session.query(
        f"SELECT c.oid::bigint, x.privilege_type, {_GRANTEE}, x.is_grantable, ''"
        " FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = ANY(%s::bigint[]::oid[]) AND x.grantee <> c.relowner"
        f" UNION ALL SELECT a.attrelid::bigint, x.privilege_type, {_GRANTEE}, x.is_grantable, a.attname::text"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) x"
        " WHERE a.attrelid = ANY(%s::bigint[]::oid[]) AND NOT a.attisdropped AND x.grantee <> c.relowner",
        (oids, oids),
    ):
        found[oid].append(Grant(privilege, grantee, grantable, column))
    return found


def _comments(session: Queries, oids: list[int]) -> defaultdict[int, dict[str, str]]:
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for oid, column, text in session.query(
        "SELECT d.objoid::bigint, coalesce(a.attname::text, ''), d.description FROM pg_description d"
        " LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0"
        " WHERE d.classoid = 'pg_class'::regclass AND d.objoid = ANY(%s::bigint[]::oid[])",
        (oids,),
    ):
        found[oid][column] = text
    return found


def _policies(session: Queries, oids: list[int]) -> defaultdict[int, dict[str, str]]:
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    rows: list[tuple[Any, ...]] = session.query(
        "SELECT polrelid::bigint, polname::text, polpermissive, polcmd::text,"
        " ARRAY(SELECT CASE r WHEN 0 THEN NULL ELSE pg_get_userbyid(r)::text END FROM unnest(polroles) AS r),"
        " pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)"
        " FROM pg_policy WHERE polrelid = ANY(%s::bigint[]::oid[])",
        (oids,),
    )
    for oid, name, permissive, command, roles, using, check in rows:
        kind = "PERMISSIVE" if permissive else "RESTRICTIVE"
        statement = f"CREATE POLICY {quoted(name)} ON {{relation}} AS {kind} FOR {_COMMANDS[command]}"
        statement += f" TO {', '.join(_who(role) for role in roles)}"
        statement += f" USING ({using})" if using else ""
        statement += f" WITH CHECK ({check})" if check else ""
        found[oid][name] = statement
    return found


def copy_defaults(session: Queries, source: str, target: str) -> None:
    """What we create in ``target`` gets the privileges that it would get in ``source``."""
    rows = session.query(
        f"SELECT x.privilege_type, {_GRANTEE}, x.is_grantable"
        " FROM pg_default_acl d JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) x"
        " WHERE n.nspname = %s AND d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
        " AND d.defaclobjtype = 'r'",
        (source,),
    )
    for privilege, grantee, grantable in rows:
        option = " WITH GRANT OPTION" if grantable else ""
        session.query(
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {quoted(target)}"
            f" GRANT {privilege} ON TABLES TO {_who(grantee)}{option}"
        )


def _who(grantee: str | None) -> str:
    return "PUBLIC" if grantee is None else quoted(grantee)


def _literal(text: str) -> str:
    escaped = text.replace("'", "''")
    return "E'" + escaped.replace("\\", "\\\\") + "'" if "\\" in text else f"'{escaped}'"
