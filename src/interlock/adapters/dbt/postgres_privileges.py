"""Owner, grants, comments and row policies of a PostgreSQL relation, taken from one object and given to another."""

from dataclasses import dataclass
from typing import Any

from interlock.adapters.dbt.relations import Queries, Relation, quoted


@dataclass(frozen=True)
class Taken:
    """What belongs to a relation but not to its definition."""

    kind: str
    owner: str
    grants: tuple[str, ...]  # statements with {relation} in the relation's place
    comments: tuple[tuple[int, str, str], ...]  # column number (0: the relation), column name, text
    secured: bool
    forced: bool
    policies: tuple[str, ...]


def capture(session: Queries, relation: Relation) -> Taken | None:
    """All of it, or ``None`` where there is no such relation."""
    oid = session.oid(relation)
    if oid is None:
        return None
    [(kind, owner, secured, forced)] = session.query(
        "SELECT relkind::text, pg_get_userbyid(relowner)::text, relrowsecurity, relforcerowsecurity"
        " FROM pg_class WHERE oid = %s",
        (oid,),
    )
    comments = session.query(
        "SELECT d.objsubid, coalesce(a.attname, '')::text, d.description FROM pg_description d"
        " LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0"
        " WHERE d.classoid = 'pg_class'::regclass AND d.objoid = %s",
        (oid,),
    )
    return Taken(
        kind=kind,
        owner=owner,
        grants=tuple(_grants(session, oid)),
        comments=tuple((int(n), column, text) for n, column, text in comments),
        secured=secured,
        forced=forced,
        policies=tuple(_policies(session, oid)),
    )


def apply(session: Queries, relation: Relation, taken: Taken, *, grants: bool) -> None:
    """The relation has the owner, policies, comments (where it has none) and, with ``grants``, privileges."""
    oid = session.oid(relation)
    [(kind, owner)] = session.query(
        "SELECT relkind::text, pg_get_userbyid(relowner)::text FROM pg_class WHERE oid = %s", (oid,)
    )
    noun = {"v": "VIEW", "m": "MATERIALIZED VIEW"}.get(kind, "TABLE")
    columns = {name for (name,) in session.query(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped", (oid,)
    )}  # fmt: skip
    if grants:
        _revoke_all(session, oid, relation)
        for statement, column in _with_columns(taken.grants):
            if column is None or column in columns:
                session.query(statement.replace("{relation}", relation.sql))
    if kind in "rp" and taken.kind in "rp":
        _secure(session, relation, taken)
    _comment(session, oid, relation, noun, taken, columns)
    if owner != taken.owner:
        session.query(f"ALTER {noun} {relation.sql} OWNER TO {quoted(taken.owner)}")


def _secure(session: Queries, relation: Relation, taken: Taken) -> None:
    if taken.secured:
        session.query(f"ALTER TABLE {relation.sql} ENABLE ROW LEVEL SECURITY")
    if taken.forced:
        session.query(f"ALTER TABLE {relation.sql} FORCE ROW LEVEL SECURITY")
    has = {
        n for (n,) in session.query("SELECT polname::text FROM pg_policy WHERE polrelid = %s", (session.oid(relation),))
    }
    for policy in taken.policies:
        if not any(policy.startswith(f"CREATE POLICY {quoted(name)} ") for name in has):
            session.query(policy.replace("{relation}", relation.sql))


def _comment(session: Queries, oid: int | None, relation: Relation, noun: str, taken: Taken, columns: set[str]) -> None:
    has = {n for (n,) in session.query(
        "SELECT objsubid FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid = %s", (oid,)
    )}  # fmt: skip
    numbers = dict(session.query("SELECT attname::text, attnum FROM pg_attribute WHERE attrelid = %s", (oid,)))
    for number, column, text in taken.comments:
        literal = "'" + text.replace("'", "''") + "'" if "\\" not in text else _escaped(text)
        if number == 0 and 0 not in has:
            session.query(f"COMMENT ON {noun} {relation.sql} IS {literal}")
        elif column in columns and numbers[column] not in has:
            session.query(f"COMMENT ON COLUMN {relation.sql}.{quoted(column)} IS {literal}")


def _escaped(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _grants(session: Queries, oid: int) -> list[str]:
    rows: list[tuple[Any, ...]] = session.query(
        "SELECT x.privilege_type, CASE x.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(x.grantee)::text END,"
        " x.is_grantable, NULL::text, x.grantee = c.relowner"
        " FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = %(oid)s"
        " UNION ALL SELECT x.privilege_type, CASE x.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(x.grantee)::text END,"
        " x.is_grantable, a.attname::text, false"
        " FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = %(oid)s AND NOT a.attisdropped".replace(
            "%(oid)s", str(int(oid))
        )
    )
    statements = []
    for privilege, grantee, grantable, column, is_owner in rows:
        if is_owner:
            continue  # the owner's own privileges come with ownership
        target = f" ({quoted(column)})" if column else ""
        who = quoted(grantee) if grantee else "PUBLIC"
        option = " WITH GRANT OPTION" if grantable else ""
        statements.append(f"GRANT {privilege}{target} ON {{relation}} TO {who}{option}")
    return statements


def _with_columns(statements: tuple[str, ...]) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for statement in statements:
        head = statement.split(" ON {relation}", 1)[0]
        column = head.split(' ("', 1)[1][:-2].replace('""', '"') if ' ("' in head else None
        found.append((statement, column))
    return found


def _revoke_all(session: Queries, oid: int | None, relation: Relation) -> None:
    rows = session.query(
        "SELECT DISTINCT CASE x.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(x.grantee)::text END"
        " FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = %s AND x.grantee <> c.relowner",
        (oid,),
    )
    for (grantee,) in rows:
        session.query(f"REVOKE ALL ON {relation.sql} FROM {quoted(grantee) if grantee else 'PUBLIC'}")


def _policies(session: Queries, oid: int) -> list[str]:
    rows = session.query(
        "SELECT polname::text, polpermissive, polcmd::text,"
        " ARRAY(SELECT CASE r WHEN 0 THEN NULL ELSE pg_get_userbyid(r)::text END FROM unnest(polroles) AS r),"
        " pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid) FROM pg_policy WHERE polrelid = %s",
        (oid,),
    )
    commands = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}
    statements = []
    for name, permissive, command, roles, using, check in rows:
        to = ", ".join(quoted(role) if role else "PUBLIC" for role in roles)
        kind = "PERMISSIVE" if permissive else "RESTRICTIVE"
        statement = f"CREATE POLICY {quoted(name)} ON {{relation}} AS {kind} FOR {commands[command]} TO {to}"
        statement += f" USING ({using})" if using else ""
        statement += f" WITH CHECK ({check})" if check else ""
        statements.append(statement)
    return statements


def copy_defaults(session: Queries, source: str, target: str) -> None:
    """What is created in ``target`` gets the privileges that it would get in ``source``, as far as we may say so."""
    rows = session.query(
        "SELECT d.defaclobjtype::text, x.privilege_type,"
        " CASE x.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(x.grantee)::text END, x.is_grantable"
        " FROM pg_default_acl d JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) x"
        " WHERE n.nspname = %s AND d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
        " AND d.defaclobjtype = 'r'",
        (source,),
    )
    for _, privilege, grantee, grantable in rows:
        who = quoted(grantee) if grantee else "PUBLIC"
        option = " WITH GRANT OPTION" if grantable else ""
        session.query(
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {quoted(target)} GRANT {privilege} ON TABLES TO {who}{option}"
        )
