"""What a Python file of a DAG folder names outside itself, as JSON."""

import ast
import re
from collections.abc import Iterator
from typing import Any

from interlock.rules.files import SourceFile
from interlock.rules.shell_commands import UNKNOWN, Selection, commands, script_of, selection_of

COMMAND_ARGUMENTS = ("bash_command", "command", "commands", "cmd", "cmds", "arguments", "steps_override", "script")
SQL_OPERATORS = frozenset(
    {"PostgresOperator", "SnowflakeOperator", "SQLExecuteQueryOperator", "MySqlOperator", "RedshiftSQLOperator",
     "TrinoOperator", "PrestoOperator", "MsSqlOperator", "OracleOperator", "SqliteOperator", "JdbcOperator",
     "BigQueryOperator", "BigQueryExecuteQueryOperator", "BigQueryCheckOperator", "HiveOperator",
     "DatabricksSqlOperator", "RedshiftDataOperator", "SnowflakeSqlApiOperator", "VerticaOperator",
     "SQLCheckOperator", "SQLValueCheckOperator", "AthenaOperator", "ExasolOperator", "TeradataOperator"}
)  # fmt: skip
_SQL_ARGUMENTS = ("sql", "hql", "query")
_NAME = re.compile(r"[A-Za-z_][\w.\-]{1,79}")
_MOST_NAMES = 4000
# In an image lies what some other repository put there, or this one under other paths.
_CONTAINER = re.compile(r"Pod|Docker|Ecs|Kube|CloudRun|Container|Batch")
# A variable that a template reads as JSON, and not a part of a name that is put together.
_JSON_IN_TEMPLATE = re.compile(
    r"\bvar\.json\.(?:get\(\s*(?P<quote>['\"])(?P<got>[\w.\- ]+)(?P=quote)\s*[,)]|"
    r"(?P<name>(?!get\b)[A-Za-z_]\w*)(?=\s*[|.\[)},]))"
)
_CONNECTION = re.compile(r"(?:^|_)conn_id$")


class _Reader:
    """Collects from one module. ``constants``: texts that a module-level name has, and never any other."""

    def __init__(self, tree: ast.Module) -> None:
        self.constants: dict[str, str] = {}
        self.told: dict[str, list[Any]] = {
            "dbt": [], "scripts": [], "sql": [], "env": [], "uses": [], "json": [], "writes": [],
        }  # fmt: skip
        self.names: set[str] = set()
        self.dynamic = self.has_dag = self.has_search_path = self.in_container = False
        assigned: dict[str, int] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                assigned[node.id] = assigned.get(node.id, 0) + 1
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
                text = statement.value.value
                for target in statement.targets:
                    if isinstance(text, str) and isinstance(target, ast.Name) and assigned[target.id] == 1:
                        self.constants[target.id] = text

    def text(self, node: ast.expr | None) -> str | None:
        """The text that an expression certainly is."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        return self.constants.get(node.id) if isinstance(node, ast.Name) else None

    def texts(self, node: ast.expr | None) -> list[str] | None:
        """The same for a list of texts, or a single one."""
        if isinstance(node, ast.List | ast.Tuple):
            found = [self.text(one) for one in node.elts]
            return [one for one in found if one is not None] if None not in found else None
        single = self.text(node)
        return None if single is None else [single]

    def call(self, node: ast.Call) -> None:
        name = _callee(node.func)
        given = {one.arg: one.value for one in node.keywords if one.arg}
        place = [node.lineno, node.end_lineno or node.lineno]
        if name in ("DAG", "dag"):
            self.has_dag = True
            identity = given.get("dag_id") or (node.args[0] if node.args else None)
            self.dynamic |= identity is not None and self.text(identity) is None
            self.has_search_path |= "template_searchpath" in given or any(one.arg is None for one in node.keywords)
        if isinstance(node.func, ast.Attribute) and _callee(node.func.value) == "Variable":
            self._variable(name, node, given)
        if "task_id" in given and self.text(given["task_id"]) is None:
            self.dynamic = True
        self.in_container = "image" in given or bool(_CONTAINER.search(name))
        self._commands(given, place)
        self._dbt_arguments(name, given, place)
        self._files(name, given, place)
        self._uses(given, place)

    def _variable(self, verb: str, node: ast.Call, given: dict[str, ast.expr]) -> None:
        key = self.text(node.args[0] if node.args else given.get("key"))
        if verb != "get":
            self.told["writes"].append(key)
            return
        if key and len(node.args) < 2 and not {"default_var", "default"} & given.keys():
            self.told["uses"].append([node.lineno, "variable", key])
        as_json = given.get("deserialize_json")
        if key and isinstance(as_json, ast.Constant) and as_json.value is True:
            self.told["json"].append([node.lineno, key])

    def _templates(self, node: ast.Constant, text: str) -> None:
        if "{{" in text or "{%" in text:
            for one in _JSON_IN_TEMPLATE.finditer(text):
                self.told["json"].append([node.lineno, one["got"] or one["name"]])

    def _uses(self, given: dict[str, ast.expr], place: list[int]) -> None:
        for argument, value in given.items():
            kind = "connection" if _CONNECTION.search(argument) else "pool" if argument == "pool" else ""
            text = self.text(value) if kind else None
            if text and "{{" not in text:
                self.told["uses"].append([value.lineno, kind, text])

    def _commands(self, given: dict[str, ast.expr], place: list[int]) -> None:
        entry = self.texts(given.get("cmds")) or []
        for argument in COMMAND_ARGUMENTS:
            texts = self.texts(given.get(argument))
            if not texts:
                continue
            where = [given[argument].lineno, given[argument].end_lineno or place[1]]
            if argument == "arguments" and entry[-1:] and entry[-1].rpartition("/")[2] == "dbt":
                self._selection(selection_of(["dbt", *texts]), where)
            elif texts[0] == "dbt" and len(texts) > 1:
                self._selection(selection_of(texts), where)
            else:
                for text in texts:
                    self._command(text, where, given)

    def _command(self, text: str, place: list[int], given: dict[str, ast.expr]) -> None:
        for words, folder in commands(text):
            self._selection(selection_of(words, folder), place)
            script = script_of(words, folder)
            if script is not None:
                if not self.in_container:
                    self.told["scripts"].append([*place, script.path, script.folder])
                self._environment(script.path, given, place)

    def _selection(self, found: Selection | None, place: list[int]) -> None:
        if found is not None:
            project = UNKNOWN if self.in_container else found.project
            self.told["dbt"].append([*place, found.command, found.selected, found.excluded, project])

    def _dbt_arguments(self, name: str, given: dict[str, ast.expr], place: list[int]) -> None:
        if name != "RenderConfig" and not re.fullmatch(r"Dbt(?:Run|Test|Build|Seed|Snapshot|Ls)\w*Operator", name):
            return
        selected = self.texts(given.get("select")) or self.texts(given.get("models")) or []
        excluded = self.texts(given.get("exclude")) or []
        if any("{" in one or "%" in one for one in (*selected, *excluded)):
            return
        words = [[word for one in group for word in one.split()] for group in (selected, excluded)]
        if words[0] or words[1]:
            command = "build" if name == "RenderConfig" else name.removeprefix("Dbt").lower()[:4]
            self.told["dbt"].append([*place, command, *words, ""])

    def _files(self, name: str, given: dict[str, ast.expr], place: list[int]) -> None:
        if name in ("SparkSubmitOperator", "SparkKubernetesOperator"):
            path = self.text(given.get("application"))
            if path and path.endswith(".py") and "{" not in path:
                line = given["application"].lineno
                self.told["scripts"].append([line, line, path, ""])
                self._environment(path, given, place)
        if name in SQL_OPERATORS:
            for argument in _SQL_ARGUMENTS:
                value = given.get(argument)
                for path in (self.texts(value) or []) if value is not None else []:
                    if re.fullmatch(r"[\w./\-]+\.(?:sql|hql)", path):
                        self.told["sql"].append([value.lineno if value else place[0], name, path])

    def _environment(self, script: str, given: dict[str, ast.expr], place: list[int]) -> None:
        for argument in ("env_vars", "env"):
            value = given.get(argument)
            if isinstance(value, ast.Dict):
                keys = [self.text(key) for key in value.keys]
                if keys and None not in keys:
                    self.told["env"].append([value.lineno, value.end_lineno, script, keys])

    def everything(self, tree: ast.Module) -> dict[str, Any] | None:
        """The facts; None for a module that tells nothing."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                self.call(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self._templates(node, node.value)
                if _NAME.fullmatch(node.value):
                    self.names.add(node.value)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.names.add(node.name)
                self.has_dag |= any(_callee(_called(one)) == "dag" for one in node.decorator_list)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.names.add(node.id)
        facts: dict[str, Any] = {key: value for key, value in self.told.items() if value}
        facts["names"] = sorted(self.names)[:_MOST_NAMES]
        facts["dynamic"] = self.dynamic
        facts["own_dag"] = self.has_dag and not self.has_search_path
        return facts


def _called(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _callee(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def python_facts(file: SourceFile) -> dict[str, Any] | None:
    """Selections, scripts, SQL files, environments and names of one file; None for files outside of DAG folders."""
    if file.layout.dag_folder(file.path) is None or file.tree is None:
        return None
    return _Reader(file.tree).everything(file.tree)


def environment_reads(file: SourceFile) -> list[list[Any]] | None:
    """``os.environ["X"]`` in a Spark script: [line, name]. ``get`` and ``in`` can do without, assignments set it."""
    if file.path not in file.layout.spark or b"environ" not in file.source or file.tree is None:
        return None
    found = list(_reads(file.tree))
    told = {key for _, key, certain in found if not certain}
    return [[line, key] for line, key, certain in found if certain and key not in told] or None


def _reads(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and _callee(node.value) == "environ":
            if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
                yield node.lineno, node.slice.value, isinstance(node.ctx, ast.Load)
        elif isinstance(node, ast.Call) and _callee(node.func) in ("get", "getenv", "setdefault", "pop") and node.args:
            if isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value, False
        elif isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant) and isinstance(node.left.value, str):
            yield node.lineno, node.left.value, False
