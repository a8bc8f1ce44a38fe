"""Renders dbt's SQL files without dbt and without a warehouse: the project's own macros are called, the rest is opaque.

``render`` never raises and always ends. It shows one text that the file can become: ``execute`` is true, ``target`` is
a development target, ``var`` and ``env_var`` give the defaults that the project states, relations are identifiers
(``__ref__orders``, ``__source__shop__orders``, ``__this__``) and what only a run would know is a placeholder
(``__opaque_1__``; see ``jinja_values``). A placeholder may stand for a value, a list of columns or a whole statement:
``opaque`` says what it was made from. ``complete`` is false where such a value decided a branch or a loop, or where
rendering ended early: then names may lack or exceed what the file really says.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import time as clock_time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import yaml
from jinja2 import Template, nodes
from jinja2.runtime import Undefined

from interlock.rules.dbt_names import ADAPTER_PREFIXES, TYPES
from interlock.rules.jinja_dbt import LARGEST_TEXT, MACRO, Budget, DbtEnvironment, JinjaError, TooMuchError, parse
from interlock.rules.jinja_values import (
    CLOCK,
    NO_FIELDS,
    NOW,
    Config,
    Opaque,
    Record,
    Relation,
    Trace,
    relation_for_ref,
    relation_for_source,
)  # fmt: skip

_DEFINED = re.compile(r"\{%[-+]?\s*macro\s+([A-Za-z_]\w*)")
_BLOCK = re.compile(r"\{%[-+]?\s*(macro|test)\b.*?\{%[-+]?\s*end\1\s*[-+]?%\}", re.DOTALL)
_MARK = re.compile("\x00([de])(\\d+)\x00")
_PLAIN = (str, int, float, bool, type(None))


class _ReturnError(Exception):
    """``return(value)`` in a macro."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


@dataclass(frozen=True)
class Rendered:
    """``line_of[n - 1]`` is the line of the source that line n of ``sql`` comes from. ``opaque``: placeholders that
    stand in ``sql``, with what they stand for. ``relations``: identifiers that stand for relations (see ``Trace``).
    ``error`` is set where the file is no Jinja; ``sql`` is empty then. ``config`` is what the file sets itself."""

    sql: str = ""
    refs: tuple[tuple[str, str, str], ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    opaque: Mapping[str, str] = field(default_factory=dict)
    relations: Mapping[str, list[str]] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    line_of: tuple[int, ...] = ()
    error: tuple[int, str] | None = None
    complete: bool = False

    def source_line(self, line: int) -> int:
        """The line of the source for a line of ``sql``."""
        return self.line_of[min(max(line, 1), len(self.line_of)) - 1] if self.line_of else 1


class JinjaProject:
    """What rendering knows of a project. ``macros``: the texts of its macro files by path; ``packages``: the same for
    packages whose files are there, by package name. ``adapter`` is the dialect's name or "". ``variables`` and
    ``config`` (for every model) come from dbt_project.yml. Not for several threads at once.
    """

    def __init__(
        self,
        name: str,
        macros: Mapping[str, str],
        *,
        adapter: str = "",
        variables: Mapping[str, Any] | None = None,
        packages: Mapping[str, Mapping[str, str]] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.name, self.adapter = name, adapter
        self.variables, self.config = dict(variables or {}), dict(config or {})
        self.environment = DbtEnvironment()
        self.environment.undefined = self._missing_class()
        self.trace = Trace()
        self.modules: dict[str, Any] = {}
        self.natives: dict[str, Any] = {}
        self._last: tuple[str, str, Template | None] = ("", "", None)
        self._own = _Macros(self, macros, None)
        self._packages = {key: _Macros(self, files, self._own) for key, files in (packages or {}).items()}
        self._packages[name] = self._own

    def _missing_class(self) -> type[Undefined]:
        project = self

        class Missing(Undefined):
            """A name that nothing defines: empty as a text, false as an answer, a package where it is used as one."""

            def __getattr__(self, name: str) -> Any:
                if name.startswith("_") or name in NO_FIELDS:
                    raise AttributeError(name)
                return project.trace.unknown(f"{self._undefined_name}.{name}")

            def __call__(self, *args: Any, **kwargs: Any) -> Any:
                return project.trace.unknown(str(self._undefined_name))(*args, **kwargs)

            def __getitem__(self, key: Any) -> Any:
                return project.trace.unknown(str(self._undefined_name))

            def _calculated(self, *others: Any) -> Any:
                return project.trace.unknown(str(self._undefined_name))

            __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __rmod__ = _calculated
            __lt__ = __gt__ = __le__ = __ge__ = __int__ = _calculated

        return Missing

    def render(self, text: str, *, incremental: bool, name: str, snapshot: str) -> Rendered:
        """See ``render``, the function."""
        template = self._compiled(text, snapshot)
        if not isinstance(template, Template):
            return Rendered(error=template)
        self.trace, self.modules = Trace(), {}
        self.environment.budget = Budget(weight=1 + len(text) // 2000)
        self.natives = _natives(self, incremental, snapshot or name)
        pieces: list[str] = []
        complete, total = True, 0
        try:
            for piece in template.root_render_func(template.new_context(self._own.context())):
                pieces.append(piece)
                total += len(piece)
                if total > LARGEST_TEXT:
                    raise TooMuchError("the rendering is too large")
        except _ReturnError as returned:
            pieces.append(returned.value if isinstance(returned.value, str) else "")
        except Exception:  # whatever a project's own Jinja does wrong at run time
            complete = False
        except RecursionError:
            complete = False
        sql, lines = _placed("".join(pieces) if total <= LARGEST_TEXT else "")
        trace = self.trace
        lowered = sql.lower()
        opaque = {mark: what for mark, what in trace.opaque.items() if mark in lowered}
        relations = {key: told for key, told in trace.relations.items() if key in sql}
        return Rendered(
            sql, tuple(trace.refs), tuple(trace.sources), opaque, relations, _plain_config(trace.config), lines, None,
            complete and not trace.decided,
        )  # fmt: skip

    def _compiled(self, text: str, snapshot: str) -> Template | tuple[int, str] | None:
        if self._last[:2] == (text, snapshot) and self._last[2] is not None:
            return self._last[2]
        tree = parse(text.replace("\x00", ""), macro="")
        if isinstance(tree, JinjaError):
            return (tree.line, tree.message)
        if tree is None:
            return None
        try:
            if snapshot:
                tree.body = [one for one in tree.body if getattr(one, "snapshot", snapshot) == snapshot]
            template = self.compile(tree, marked=True)
        except Exception:  # too many nested blocks for Python's own compiler, for one
            return None
        self._last = (text, snapshot, template)
        return template

    def compile(self, tree: nodes.Template, *, marked: bool) -> Template:
        """A template; where ``marked``, one whose output says from which lines it is."""
        if marked:
            tree.body = list(_marked(tree.body))
        code = self.environment.compile(tree)
        return Template.from_code(self.environment, code, self.environment.globals)

    def package(self, name: str) -> "_Macros | None":
        """The macros of a package whose files are there, the project itself included."""
        return self._packages.get(name)

    @property
    def packages(self) -> Mapping[str, "_Macros"]:
        return self._packages


class _Macros:
    """The macros of one package, compiled file by file when one is first called."""

    def __init__(self, project: JinjaProject, files: Mapping[str, str], root: "_Macros | None") -> None:
        self._project, self._files, self._root = project, files, root
        self._templates: dict[str, Template | None] = {}
        self._where = {name: path for path, text in files.items() for name in _DEFINED.findall(text)}
        self.callables = {name: _macro(self, name) for name in self._where}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.callables.get(name) or self._project.trace.unknown(name)

    def context(self) -> dict[str, Any]:
        above = self._root.callables if self._root else {}
        return {**self._project.packages, **above, **self.callables, **self._project.natives}

    def run(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What a macro gives: its text, or what it returns; opaque where it fails."""
        trace = self._project.trace
        try:
            module = self._module(self._where[name])
            macro = getattr(module, f"{MACRO}{name}", None)
            if macro is None:
                return trace.unknown(name)
            return macro(*args, **kwargs)
        except _ReturnError as returned:
            return returned.value
        except TooMuchError:
            raise
        except RecursionError:
            raise TooMuchError(f"'{name}' calls itself without end") from None
        except Exception:
            trace.decided = True
            return trace.unknown(name)

    def _module(self, path: str) -> Any:
        if path not in self._templates:
            self._templates[path] = self._template(self._files[path])
        template = self._templates[path]
        if template is None:
            return None
        modules = self._project.modules
        if path not in modules:
            modules[path] = template.make_module(self.context())
        return modules[path]

    def _template(self, text: str) -> Template | None:
        tree = parse(text.replace("\x00", ""))
        if not isinstance(tree, nodes.Template):
            tree = parse("".join(one[0] for one in _BLOCK.finditer(text)))
        if not isinstance(tree, nodes.Template):
            return None
        # dbt takes the blocks alone: what stands between them is not run.
        tree.body = [one for one in tree.body if isinstance(one, nodes.Macro) and one.name.startswith(MACRO)]
        return self._project.compile(tree, marked=False)


def _macro(macros: _Macros, name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return macros.run(name, args, kwargs)

    return call


def _marked(body: list[nodes.Node]) -> Iterator[nodes.Node]:
    """The same statements, each piece of output with its line in front of it."""
    for node in body:
        if isinstance(node, nodes.Output):
            told: list[nodes.Expr] = []
            for child in node.nodes:
                kind = "d" if isinstance(child, nodes.TemplateData) else "e"
                told += [nodes.TemplateData(f"\x00{kind}{child.lineno}\x00", lineno=child.lineno), child]
            node.nodes = told
        elif isinstance(node, (nodes.If, nodes.For)):
            node.body = list(_marked(node.body))
            node.else_ = list(_marked(node.else_))
            if isinstance(node, nodes.If):
                list(_marked(list(node.elif_)))
        elif isinstance(node, (nodes.Scope, nodes.With)):
            node.body = list(_marked(node.body))
        yield node


def _placed(text: str) -> tuple[str, tuple[int, ...]]:
    """The text without its marks, and the source line of each of its lines: that of the first thing on it."""
    out: list[str] = []
    lines: list[int] = []
    line, counts, blank = 1, True, True
    lines.append(1)
    parts = _MARK.split(text)
    for number in range(0, len(parts), 3):
        if number:
            counts, line = parts[number - 2] == "d", int(parts[number - 1])
        piece = parts[number]
        out.append(piece)
        for part_number, part in enumerate(piece.split("\n")):
            if part_number:
                line += counts
                lines.append(line)
                blank = True
            if blank and part.strip():
                lines[-1], blank = line, False
    return "".join(out), tuple(lines)


def _plain_config(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain(value, 0) for key, value in list(config.items())[:200]}


def _plain(value: Any, depth: int) -> Any:
    """JSON for a value; "" stands for what is not known."""
    if isinstance(value, _PLAIN):
        return value
    if depth < 4 and isinstance(value, (list, tuple)):
        return [_plain(one, depth + 1) for one in value[:200]]
    if depth < 4 and isinstance(value, dict):
        return {str(key): _plain(one, depth + 1) for key, one in list(value.items())[:200]}
    return ""


def _natives(project: JinjaProject, incremental: bool, name: str) -> dict[str, Any]:
    """The names that dbt gives to every file."""
    trace = project.trace
    unknown = trace.unknown

    def ref(*args: Any, **kwargs: Any) -> Any:
        return relation_for_ref(trace, args, kwargs)

    def source(*args: Any) -> Any:
        return relation_for_source(trace, args)

    def back(value: Any = None) -> Any:
        raise _ReturnError(value)

    def env_var(key: Any, default: Any = None) -> Any:
        return unknown(f"env_var {key}") if default is None else str(default)

    def silent(*args: Any, **kwargs: Any) -> str:
        return ""

    def failing(*args: Any, **kwargs: Any) -> str:
        trace.decided = True
        return ""

    def dispatch(macro: Any = "", macro_namespace: Any = None, packages: Any = None) -> Any:
        return _dispatched(project, str(macro), str(macro_namespace or ""))

    adapter = Record(
        trace, "adapter", {"dispatch": dispatch, "type": lambda: project.adapter, "quote": _quoted(project)}
    )
    target = {"name": "dev", "schema": "dev", "dataset": "dev", "target_name": "dev", "profile_name": "default",
              "type": project.adapter or "unknown", "threads": 4}  # fmt: skip
    config = Config(trace, project.config)
    this = Relation(trace, "__this__", ["this"], name)
    modules = {
        "datetime": {**CLOCK, "timedelta": timedelta, "time": clock_time},
        "pytz": unknown("pytz"), "re": unknown("re"), "itertools": unknown("itertools"),
    }  # fmt: skip
    types = SimpleNamespace(**{key: _typed(value, project.adapter) for key, value in TYPES.items()})
    return {
        "ref": ref, "source": source, "config": config, "var": _Var(project), "env_var": env_var, "this": this,
        "function": lambda *args: unknown("function"), "metric": lambda *args: unknown("metric"),
        "is_incremental": lambda: incremental, "should_full_refresh": lambda: not incremental,
        "execute": True, "target": Record(trace, "target", target), "return": back, "adapter": adapter,
        "builtins": {"ref": ref, "source": source, "config": config, "var": _Var(project)},
        "log": silent, "print": silent, "run_query": lambda *args, **kwargs: unknown("run_query"),
        "statement": silent, "load_result": lambda *args: unknown("load_result"), "modules": modules,
        "exceptions": SimpleNamespace(
            raise_compiler_error=failing, raise_database_error=failing, raise_not_implemented=failing, warn=silent,
        ),
        "api": unknown("api"), "graph": unknown("graph"),
        "model": Record(trace, "model", {"name": name, "alias": name}),
        "flags": Record(trace, "flags", {"FULL_REFRESH": not incremental, "WHICH": "run"}), "dbt_version": "1.10.0",
        "invocation_id": unknown("invocation_id"), "run_started_at": NOW, "project_name": project.name,
        "database": unknown("database"), "schema": unknown("schema"), "doc": silent,
        "invocation_args_dict": unknown("invocation_args_dict"), "selected_resources": [], "thread_id": "t",
        "fromjson": _loading(unknown, json.loads), "fromyaml": _loading(unknown, _from_yaml),
        "tojson": _dumping, "toyaml": _dumping, "set": _set, "set_strict": _set, "zip": _zip, "zip_strict": _zip,
        "local_md5": lambda value: "0" * 32, "dbt_metadata_envs": {}, "context": unknown("context"),
        "dbt": types, **({} if project.package("dbt_utils") else {"dbt_utils": _WithTypes(types, unknown)}),
        **{key: value for key, value in vars(types).items() if project.package(project.name) is None
           or key not in project.packages[project.name].callables},
    }  # fmt: skip


class _WithTypes:
    """dbt and dbt_utils: names of types are known, the rest is not."""

    def __init__(self, types: SimpleNamespace, unknown: Callable[[str], Opaque]) -> None:
        self._types, self._unknown = types, unknown

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._types, name, None) or self._unknown(f"dbt_utils.{name}")


class _Var:
    """``var(name, default)``: what the project states, then the default, then nothing that anybody knows."""

    def __init__(self, project: JinjaProject) -> None:
        self._project = project

    def __call__(self, name: Any = "", default: Any = None) -> Any:
        stated = self._project.variables
        if isinstance(name, str) and name in stated:
            return stated[name]
        return self._project.trace.unknown(f"var {name}") if default is None else default

    def has_var(self, name: Any) -> bool:
        return name in self._project.variables


def _dispatched(project: JinjaProject, name: str, namespace: str) -> Any:
    chain = ADAPTER_PREFIXES.get(project.adapter, ()) if project.adapter else ()
    places = [project.packages[project.name]]
    if namespace in project.packages:
        places.append(project.packages[namespace])
    for prefix in (*chain, "default"):
        for macros in places:
            found = macros.callables.get(f"{prefix}__{name}")
            if found is not None:
                return found
    return project.trace.unknown(f"{namespace or project.name}.{name}")


def _typed(words: Mapping[str, str], adapter: str) -> Callable[..., str]:
    return lambda *args, **kwargs: words.get(adapter, words[""])


def _quoted(project: JinjaProject) -> Callable[[Any], str]:
    mark = "`" if project.adapter in ("bigquery", "databricks", "spark", "mysql") else '"'
    return lambda name: f"{mark}{name}{mark}"


def _loading(unknown: Callable[[str], Opaque], load: Callable[[str], Any]) -> Callable[..., Any]:
    def loaded(text: Any = "", default: Any = None) -> Any:
        if not isinstance(text, str) or len(text) > 200_000 or "__opaque" in text:
            return unknown("fromyaml")
        try:
            return load(text)
        except Exception:
            return default

    return loaded


def _from_yaml(text: str) -> Any:
    if "*" in text and "&" in text:  # aliases can make a small text very large
        raise ValueError("aliases")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _dumping(value: Any = None, default: Any = None, **more: Any) -> Any:
    return default if value is None else json.dumps(_plain(value, 0))


def _set(values: Any = (), default: Any = None) -> Any:
    try:
        return sorted(set(values), key=str)
    except TypeError:
        return default


def _zip(*values: Any) -> Any:
    try:
        return list(zip(*values, strict=False))
    except TypeError:
        return None


def render(
    text: str, project: JinjaProject, *, path: str = "", incremental: bool = False, snapshot: str = ""
) -> Rendered:
    """What a file of a dbt project becomes; see the module. ``snapshot`` names the one that is meant."""
    name = path.rpartition("/")[2].rpartition(".")[0]
    try:
        return project.render(text, incremental=incremental, name=name, snapshot=snapshot)
    except Exception:  # a rule does not raise for what a file holds
        return Rendered()
