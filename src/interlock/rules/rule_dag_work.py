"""Work that a DAG file does whenever Airflow parses it, and start dates that move from one parse to the next.

The scheduler parses every DAG file again and again (every 30 seconds by default), and each worker once a task: what
stands outside of tasks is done every time.
"""

import ast
from collections.abc import Iterator

from interlock.model.findings import Finding, Severity
from interlock.rules.dag_model import Dag, DagModel, read_dag_model
from interlock.rules.dag_running import running_scopes
from interlock.rules.dag_source import DagSource, Scope, Site, in_dag_folder
from interlock.rules.files import SourceFile
from interlock.rules.rule import Family, FileCheck, Rule

_HTTP = {"get", "post", "put", "patch", "delete", "head", "options", "request", "stream"}
_NETWORK = frozenset(
    {f"{library}.{verb}" for library in ("requests", "httpx") for verb in _HTTP}
    | {"urllib.request.urlopen", "urllib.request.urlretrieve", "urllib2.urlopen", "wget.download"}
)
_DATABASE = frozenset(
    {
        "psycopg2.connect", "psycopg.connect", "pymysql.connect", "MySQLdb.connect", "mysql.connector.connect",
        "snowflake.connector.connect", "pyodbc.connect", "cx_Oracle.connect", "oracledb.connect", "pymssql.connect",
        "redshift_connector.connect", "trino.dbapi.connect", "prestodb.dbapi.connect", "vertica_python.connect",
        "pandas.read_sql", "pandas.read_sql_query", "pandas.read_sql_table", "pandas.read_gbq",
        "airflow.utils.session.create_session", "airflow.settings.Session",
    }
)  # fmt: skip
_SECRETS = frozenset(
    {f"{variable}.{verb}" for variable in ("airflow.models.Variable", "airflow.models.variable.Variable",
     "airflow.sdk.Variable") for verb in ("get", "set", "setdefault")}
    | {f"{hook}.{verb}" for hook in ("airflow.hooks.base.BaseHook", "airflow.hooks.base_hook.BaseHook",
       "airflow.sdk.BaseHook", "airflow.sdk.bases.hook.BaseHook", "airflow.hooks.BaseHook")
       for verb in ("get_connection", "get_connections", "get_hook")}
    | {"airflow.models.Connection.get_connection_from_secrets", "airflow.sdk.Connection.get",
       "airflow.models.connection.Connection.get_connection_from_secrets"}
)  # fmt: skip
_SLOW = frozenset(
    {"time.sleep", "os.system"}
    | {f"subprocess.{verb}" for verb in ("run", "call", "check_call", "check_output", "getoutput", "Popen")}
    | {f"pandas.read_{kind}" for kind in ("csv", "parquet", "excel", "json", "table", "orc", "pickle", "feather")}
    | {"pyspark.SparkContext", "pyspark.context.SparkContext"}
)
# Makers whose results do work, and the methods that do none.
_CLIENTS = {
    "boto3.client": frozenset({"get_paginator", "get_waiter", "can_paginate", "close", "generate_presigned_url"}),
    "google.cloud.storage.Client": frozenset({"bucket", "close"}),
    "google.cloud.bigquery.Client": frozenset({"dataset", "close"}),
    "google.cloud.secretmanager.SecretManagerServiceClient": frozenset({"secret_path", "secret_version_path"}),
}
_ENGINE = frozenset({"sqlalchemy.create_engine", "sqlalchemy.engine.create_engine"})
_ENGINE_WORK = frozenset({"connect", "execute", "begin", "raw_connection"})
_SESSIONS = frozenset({"requests.Session", "requests.session", "httpx.Client"})
_HOOK_WORK = frozenset(
    {"get_records", "get_first", "get_conn", "get_pandas_df", "get_df", "get_connection", "get_uri", "run", "query",
     "get_sqlalchemy_engine", "read_key", "list_keys", "check_for_key", "get_key", "load_file", "load_string"}
)  # fmt: skip
_MOVING = frozenset(
    {f"{clock}.{verb}" for clock in ("datetime.datetime", "datetime.date", "pendulum", "pendulum.datetime",
     "pendulum.DateTime") for verb in ("now", "utcnow", "today", "yesterday", "tomorrow")}
    | {"airflow.utils.dates.days_ago", "airflow.utils.timezone.utcnow", "airflow.sdk.timezone.utcnow",
       "airflow.utils.timezone.now", "time.time", "time.localtime", "time.gmtime"}
)  # fmt: skip
_LATER = "Move it into the task that needs it: what stands outside of tasks runs at every parse of the file."
_TEMPLATE = (
    "Read it when the task runs: {{ var.value.NAME }} or {{ conn.NAME.host }} in a templated argument, or the same "
    "call inside the task's function."
)


def check_work(file: SourceFile) -> Iterator[Finding]:
    """ILK-DG001 to ILK-DG003: calls that reach out, or take long, while the file is parsed."""
    model = read_dag_model(file)
    if model is None or not in_dag_folder(file):
        return
    running = running_scopes(model.source)
    seen = set()
    for site in model.source.sites:
        if id(site.where.scope) not in running or site.where.main:
            continue
        said = _work(model.source, site)
        if said is None or (said[1], site.call.lineno) in seen:
            continue
        rule, what, remedy = said
        seen.add((what, site.call.lineno))
        inside = running[id(site.where.scope)]
        summary = f"{what} runs whenever Airflow parses this file" + (f" (in {inside}, called there)" if inside else "")
        yield file.finding(
            rule, site.call.lineno, summary, remedy, severity=Severity.WARNING,
            end_line=site.call.end_lineno or 0, column=site.call.col_offset + 1,
        )  # fmt: skip


def _work(source: DagSource, site: Site) -> tuple[str, str, str] | None:
    function, scope = site.call.func, site.where.scope
    for name in source.origins(function, scope):
        last = ".".join(name.split(".")[-2:])
        if name in _NETWORK:
            return "ILK-DG001", f"a network request ({last})", _LATER
        if name in _DATABASE:
            return "ILK-DG001", f"a database connection ({last})", _LATER
        if name in _SECRETS:
            named = source.text(site.call.args[0], scope) if site.call.args else None
            return "ILK-DG002", f"{last}({named!r})" if named and len(named) < 80 else f"{last}()", _TEMPLATE
        if name in _SLOW:
            return "ILK-DG003", f"{last}()", _LATER
    if not isinstance(function, ast.Attribute):
        return None
    if function.attr == "getOrCreate" and _begins_with(function.value, source, scope, "pyspark.sql."):
        return "ILK-DG003", "a Spark session", _LATER
    made = source.resolved(function.value, scope)
    if not isinstance(made, ast.Call):
        return None
    for name in source.origins(made.func, scope):
        last = name.rpartition(".")[2]
        works = (
            (name in _CLIENTS and function.attr not in _CLIENTS[name])
            or (name in _SESSIONS and function.attr in _HTTP)
            or (name.startswith("airflow.") and last.endswith("Hook") and function.attr in _HOOK_WORK)
        )
        if works:
            return "ILK-DG001", f"a request ({last}.{function.attr})", _LATER
        if name in _ENGINE and function.attr in _ENGINE_WORK:
            return "ILK-DG001", f"a database connection (engine.{function.attr})", _LATER
    return None


def _begins_with(expr: ast.expr, source: DagSource, scope: Scope, prefix: str) -> bool:
    while isinstance(expr, ast.Call | ast.Attribute):
        if any(one.startswith(prefix) for one in source.origins(expr, scope)):
            return True
        expr = expr.func if isinstance(expr, ast.Call) else expr.value
    return any(one.startswith(prefix) for one in source.origins(expr, scope))


def check_start_dates(file: SourceFile) -> Iterator[Finding]:
    """ILK-DG004: a start date that is another one at each parse."""
    model = read_dag_model(file)
    if model is None or not in_dag_folder(file):
        return
    seen = set()
    for expr, scope in _start_dates(model):
        moving = _moving(model.source, expr, scope)
        if moving is None or (moving[0], expr.lineno) in seen:
            continue
        seen.add((moving[0], expr.lineno))
        yield file.finding(
            "ILK-DG004", expr.lineno, f"the start date moves with the clock ({moving[1]})",
            "Write a fixed date: start_date=datetime(2024, 1, 1), with catchup=False where the past is not wanted.",
            severity=Severity.WARNING, end_line=expr.end_lineno or 0, column=expr.col_offset + 1,
        )  # fmt: skip


def _start_dates(model: DagModel) -> Iterator[tuple[ast.expr, Scope]]:
    scheduled = [dag for dag in model.dags if not _is_unscheduled(model.source, dag)]
    for dag in scheduled:
        scope = dag.where.scope
        if "start_date" in dag.arguments:
            yield dag.arguments["start_date"], scope
            continue
        found = model.source.mapping(dag.arguments.get("default_args"), scope)
        if found is not None and "start_date" in found[0]:
            yield found[0]["start_date"], scope
    if scheduled:
        for task in model.tasks:
            if task.origin and "start_date" in task.site.keywords:
                yield task.site.keywords["start_date"], task.site.where.scope


def _is_unscheduled(source: DagSource, dag: Dag) -> bool:
    arguments, scope = dag.arguments, dag.where.scope
    given = arguments.get("schedule", arguments.get("schedule_interval"))
    if given is None:
        return dag.sdk or "timetable" in arguments or (dag.site is not None and dag.site.open)
    known = source.resolved(given, scope)
    return known is None or (isinstance(known, ast.Constant) and known.value in (None, "@once"))


def _moving(source: DagSource, expr: ast.expr, scope: Scope) -> tuple[int, str] | None:
    """The call that reads the clock, as a key and as a name."""
    found = source.resolved(expr, scope)
    todo: list[ast.AST] = [found] if found is not None else []
    for _ in range(200):
        if not todo:
            return None
        node = todo.pop()
        if isinstance(node, ast.Call):
            for name in source.origins(node.func, scope):
                if name in _MOVING:
                    return id(node), ".".join(name.split(".")[-2:])
        if isinstance(node, ast.Name):
            value = source.resolved(node, scope)
            if value is not None:
                todo.append(value)
        todo += ast.iter_child_nodes(node)
    return None


FAMILY = Family(
    "dag-work",
    (
        Rule("ILK-DG001", "request-while-parsing", "a DAG file talks to a network or database at every parse",
             Severity.WARNING),
        Rule("ILK-DG002", "variable-while-parsing", "a DAG file reads a Variable or Connection at every parse",
             Severity.WARNING),
        Rule("ILK-DG003", "slow-work-while-parsing", "a DAG file sleeps, starts processes or reads data at every parse",
             Severity.WARNING),
        Rule("ILK-DG004", "moving-start-date", "a start date depends on the clock", Severity.WARNING),
    ),
    file_checks=(FileCheck(("*.py",), check_work), FileCheck(("*.py",), check_start_dates)),
)  # fmt: skip
