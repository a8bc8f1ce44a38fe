"""What Airflow's own environment says of the templates in a DAG's tasks. They are parsed, and never rendered."""

import difflib
import importlib
import zlib

import jinja2
import jinja2.meta
import jinja2.nodes as nodes

_LONGEST = 100000
_MOST_TEXTS = 2000
_MOST_PROBLEMS = 50
_DEEPEST = 12
_MARKS = ("{{", "{%", "{#")
# Whoever overrides one of these renders with names of its own, or not at all.
_RENDERING = (
    "render_template_fields", "render_template", "get_template_env", "_do_render_template_fields", "_render",
)  # fmt: skip
_SCOPES = (
    nodes.For, nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.With, nodes.Assign, nodes.AssignBlock,
    nodes.Import, nodes.FromImport, nodes.Block, nodes.Scope,
)  # fmt: skip
_OPERATORS = frozenset(["+", "-", "*", "/", "//", "**", "%"])


class _Refusing(dict):
    """Filters or tests under any name, none of which does anything: Jinja would call them for constants."""

    def __contains__(self, name):
        return True

    def __getitem__(self, name):
        return _refuse

    def get(self, name, default=None):
        return _refuse


def _refuse(*args, **options):
    raise jinja2.nodes.Impossible()


class Names:
    """What a version of Airflow gives to every template; None for what it does not tell."""

    def __init__(self):
        self.context = self._of(
            ("airflow.sdk.definitions.context", "KNOWN_CONTEXT_KEYS"), ("airflow.utils.context", "KNOWN_CONTEXT_KEYS")
        )
        try:
            from airflow import plugins_manager

            plugins_manager.integrate_macros_plugins()
        except Exception:
            pass  # what a plugin adds is then not known, as without a plugin
        self.macros = self._of(
            ("airflow.sdk.execution_time.macros", None), ("airflow.sdk.definitions.macros", None),
            ("airflow.macros", None),
        )  # fmt: skip

    @staticmethod
    def _of(*places):
        for module, name in places:
            try:
                found = importlib.import_module(module)
                return frozenset(getattr(found, name) if name else dir(found))
            except (ImportError, AttributeError):
                continue
        return None


class Uses:
    """What one template uses, with the line of each, or why it is none; ``pulls`` are ids of tasks.

    ``known`` is False for one that is nested too deeply to be looked at.
    """

    def __init__(self, env, text):
        self.known, self.error, self.error_line = True, "", 1
        self.names, self.filters, self.tests, self.macros, self.params, self.pulls = {}, {}, {}, {}, {}, {}
        try:
            self._read(env.parse(text))
        except jinja2.TemplateSyntaxError as error:
            self.error, self.error_line = error.message or "it is no Jinja", error.lineno or 1
        except RecursionError:
            self.known = False

    def _read(self, tree):
        scoped, guarded, callees, parents = False, set(), set(), []
        todo = [tree]
        while todo:
            node = todo.pop()
            todo.extend(node.iter_child_nodes())
            scoped = scoped or isinstance(node, _SCOPES)
            if isinstance(node, nodes.Name) and node.ctx == "load":
                self.names.setdefault(node.name, node.lineno)
            elif isinstance(node, nodes.Filter):
                self.filters.setdefault(node.name, node.lineno)
                if node.name in ("default", "d") and node.node is not None:
                    guarded.add(_path(node.node))
            elif isinstance(node, nodes.Test):
                self.tests.setdefault(node.name, node.lineno)
                if node.name in ("defined", "undefined"):
                    guarded.add(_path(node.node))
            elif isinstance(node, (nodes.Getattr, nodes.Getitem)):
                parents.append(node)
            elif isinstance(node, nodes.Call):
                callees.add(id(node.node))
                self._pull(node)
        for node in parents:
            path = _path(node)
            if path and len(path) == 2 and path not in guarded:
                if path[0] == "macros":
                    self.macros.setdefault(path[1], node.lineno)
                elif path[0] == "params" and id(node) not in callees:
                    self.params.setdefault(path[1], node.lineno)
        if scoped:
            undeclared = jinja2.meta.find_undeclared_variables(tree)
            self.names = {name: line for name, line in self.names.items() if name in undeclared}
        for name in [path[0] for path in guarded if path and len(path) == 1]:
            self.names.pop(name, None)

    def _pull(self, call):
        if _path(call.node) not in (("ti", "xcom_pull"), ("task_instance", "xcom_pull")) or call.dyn_kwargs:
            return
        options = {one.key: one.value for one in call.kwargs}
        given = call.args[0] if call.args else options.get("task_ids")
        # Another DAG's, or one of an earlier run, of a task that is gone.
        if "dag_id" in options or "include_prior_dates" in options or len(call.args) > 1 or call.dyn_args:
            return
        for one in given.items if isinstance(given, (nodes.List, nodes.Tuple)) else [given]:
            if isinstance(one, nodes.Const) and isinstance(one.value, str):
                self.pulls.setdefault(one.value, one.lineno)


def _path(node):
    """("params", "day") for ``params.day`` and ``params["day"]``; None for what is no plain path."""
    names = []
    while isinstance(node, (nodes.Getattr, nodes.Getitem)):
        if isinstance(node, nodes.Getattr):
            names.append(node.attr)
        elif isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            names.append(node.arg.value)
        else:
            return None
        node = node.node
    return (node.name, *reversed(names)) if isinstance(node, nodes.Name) else None


class Templates:
    """Looks at DAGs; keeps what texts use from one to the next. Made before the first fork."""

    def __init__(self):
        self.names = Names()
        self._known = {}

    def look(self, dag):
        """{"fine": {task id: digests of templates in which nothing is wrong}, "problems": [...], "names": yes/no}.

        A problem: ``task``, ``field``, ``kind`` (syntax, name, filter, test, macro, param, pull), ``name``, ``near``,
        ``line`` of the template, ``where`` (the text of that line), ``digest`` of the template, and ``surely``.
        None where the DAG cannot be looked at.
        """
        dags = _Dag(dag, self)
        for task in list(dag.task_dict.values()):
            if dags.is_plain(task):
                dags.look_at(task)
        return {"fine": dags.fine, "problems": dags.problems[:_MOST_PROBLEMS], "names": self.names.context is not None}

    def uses(self, text, env, common):
        """What a text uses; ``common`` where the environment's syntax is Jinja's own."""
        if not common:
            return Uses(env, text)
        if text not in self._known:
            self._known[text] = Uses(env, text)
        return self._known[text]


class _Dag:
    """One DAG on the way."""

    def __init__(self, dag, templates):
        self.dag, self.templates = dag, templates
        self.fine, self.problems = {}, []
        self.common = not getattr(dag, "jinja_environment_kwargs", None)
        self.strict = getattr(dag, "template_undefined", None) is jinja2.StrictUndefined
        timetable = getattr(dag, "timetable", None)
        self.scheduled = bool(getattr(timetable, "can_be_scheduled", True))
        self._env = None

    def env(self):
        """The DAG's environment, made harmless: no operator, filter or test does anything, not even for constants."""
        if self._env is None:
            env = self.dag.get_template_env()
            self.filters, self.tests, self.globals = set(env.filters), set(env.tests), set(env.globals)
            env.filters, env.tests = _Refusing(), _Refusing()
            env.sandboxed, env.intercepted_binops, env.optimized = True, _OPERATORS, False
            self._env = env
        return self._env

    @staticmethod
    def is_plain(task):
        """Whether Airflow's own code renders the task's fields."""
        kind = getattr(task, "operator_class", None) or type(task)
        for base in getattr(kind, "__mro__", ()):
            if not base.__module__.startswith("airflow.") and any(name in vars(base) for name in _RENDERING):
                return False
        return hasattr(kind, "__mro__")

    def look_at(self, task):
        suffixes = tuple(one for one in getattr(task, "template_ext", ()) if isinstance(one, str))
        for field in task.template_fields:
            for text in _texts([_value(task, field)], suffixes):
                uses = self.templates.uses(text, self.env(), self.common)
                if not uses.known:
                    continue
                digest = zlib.crc32(text.encode("utf-8", "replace"))
                found = list(self._wrong(uses, task))
                lines = text.splitlines()
                for kind, name, line, near, surely in found:
                    where = lines[line - 1].strip() if 0 < line <= len(lines) else ""
                    self.problems.append(
                        {"task": task.task_id, "field": field, "kind": kind, "name": name, "near": near, "line": line,
                         "where": where, "digest": digest, "surely": surely}
                    )  # fmt: skip
                if not found:
                    self.fine.setdefault(task.task_id, []).append(digest)

    def _wrong(self, uses, task):
        if uses.error:
            yield "syntax", uses.error, uses.error_line, "", True
            return
        for kind, used, known in (("filter", uses.filters, self.filters), ("test", uses.tests, self.tests)):
            for name in sorted(used.keys() - known):
                yield kind, name, used[name], _near(name, known), True
        context = self.templates.names.context
        if context is not None:
            for name in sorted(uses.names.keys() - context - self.globals):
                yield "name", name, uses.names[name], _near(name, context | self.globals), self.strict
        macros = self.templates.names.macros
        if macros is not None and "macros" not in self.globals:
            for name in sorted(uses.macros.keys() - macros):
                yield "macro", name, uses.macros[name], _near(name, macros), self.strict
        if uses.params and self.strict and "params" not in self.globals:
            yield from self._params(uses, task)
        ids = self.dag.task_dict
        for name in sorted(uses.pulls.keys() - ids.keys()):
            in_groups = sorted(one for one in ids if one.rpartition(".")[2] == name)
            near = in_groups[0] if in_groups else _near(name, ids)
            yield "pull", name, uses.pulls[name], near, bool(near)

    def _params(self, uses, task):
        """A run that somebody starts can bring params that nothing declares; a scheduled one cannot."""
        known = {*self.dag.params, *(getattr(task, "params", None) or ())}
        for name in sorted(uses.params.keys() - known):
            near = _near(name, known)
            if self.scheduled or near:
                yield "param", name, uses.params[name], near, self.scheduled


def _near(name, known):
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)), "")


def _value(task, field):
    """What a task was given for a field; of a mapped one what holds for all of its instances, and what is listed."""
    expanded = getattr(getattr(task, "expand_input", None), "value", None)
    given = [getattr(task, "partial_kwargs", {}).get(field)] if expanded is not None else [getattr(task, field, None)]
    for one in expanded if isinstance(expanded, (list, tuple)) else [expanded]:
        if isinstance(one, dict):
            given.append(one.get(field))
    return given


def _texts(values, suffixes):
    """Every text with marks of Jinja in the values, in what they hold, and in the fields of objects with templates."""
    todo, seen = [(one, 0) for one in values], set()
    while todo and len(seen) < _MOST_TEXTS:
        value, depth = todo.pop()
        if isinstance(value, str):
            # One that still bears a file's ending names a file that is not here.
            if any(mark in value for mark in _MARKS) and value not in seen and not value.endswith(suffixes):
                seen.add(value)
                if len(value) <= _LONGEST:
                    yield value
        elif depth < _DEEPEST:
            if type(value) in (list, tuple, set):
                todo += [(one, depth + 1) for one in value]
            elif type(value) is dict:
                todo += [(one, depth + 1) for one in value.values()]
            elif isinstance(getattr(type(value), "template_fields", None), (tuple, list)):
                todo += [(getattr(value, name, None), depth + 1) for name in type(value).template_fields]
