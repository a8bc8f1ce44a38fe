"""Parses one DAG file in the process it is called in, as Airflow's own DagBag does, and tells what came of it."""

import builtins
import datetime
import importlib
import json
import logging
import os
import re
import signal
import socket
import sys
import threading
import time
import traceback
import warnings

import _interlock_forks as forks
import _interlock_templates as templates

try:
    from airflow.models.dagbag import DagBag
except ImportError:  # Airflow 3
    from airflow.dag_processing.dagbag import DagBag
from airflow.models.baseoperator import BaseOperator
from airflow.models.dag import DAG
from airflow.serialization.serialized_objects import SerializedDAG

_TAIL_LINES = 12
_WARM_UP = """
import datetime
import importlib
from airflow import DAG
from airflow.operators.bash import BashOperator
from airflow.operators.empty import EmptyOperator
from airflow.operators.python import PythonOperator
from airflow.utils.task_group import TaskGroup
with DAG("interlock_warm_up", start_date=datetime.datetime(2024, 1, 1), schedule="0 1 * * *"):
    with TaskGroup("group"):
        EmptyOperator(task_id="empty") >> BashOperator(task_id="bash", bash_command="true")
    PythonOperator(task_id="python", python_callable=print)
# The first dataset of a process has Airflow look through all installed packages for what knows its kind of URI.
for module, name in (("airflow.sdk", "Asset"), ("airflow.datasets", "Dataset")):
    try:
        getattr(importlib.import_module(module), name)("interlock://warm/up")
        break
    except ImportError:
        pass
"""
# What project code is known to patch in others' modules. Few names: looking at one copies its page of memory.
_PATCHED = (
    (builtins, "__import__"), (builtins, "open"), (builtins, "print"), (sys, "stdout"), (sys, "stderr"),
    (time, "time"), (time, "sleep"), (datetime, "datetime"), (socket, "socket"), (os, "getenv"), (json, "loads"),
    (DAG, "__init__"), (DAG, "__setattr__"), (BaseOperator, "__init__"), (BaseOperator, "execute"),
)  # fmt: skip
_MODULE_PREFIX = re.compile(r"unusual_prefix_[0-9a-f]{8,64}_")


def warm_up(folder):
    """Airflow has loaded what it loads lazily at the first DAG (plugins, links of operators, policies).

    Returns what looks at templates.
    """
    path = os.path.join(folder, "interlock_warm_up.py")
    with open(path, "w") as stream:
        stream.write(_WARM_UP)
    bag = DagBag(dag_folder=os.devnull, include_examples=False, collect_dags=False)
    for dag in bag.process_file(path, only_if_updated=False, safe_mode=False):
        SerializedDAG.to_dict(dag)
    os.remove(path)
    return templates.Templates()


class _Caught(logging.Handler):
    """Keeps the exceptions that DagBag logs before it turns them into text."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.errors = []

    def emit(self, record):
        if record.exc_info and record.exc_info[1] is not None:
            if isinstance(record.exc_info[1], MemoryError):
                forks.open_memory_reserve()
            self.errors.append(record.exc_info[1])


class DagFiles:
    """Everything about parsing that is the same for all files of a request; made before the first fork."""

    def __init__(self, roots, recorder, looker):
        self.roots, self.recorder, self.looker = roots, recorder, looker
        self._looks = None
        self.root_text = re.compile(re.escape(roots.project) + r"(?![\w.-])")
        self._made = 0
        self._count_dags()

    def _count_dags(self):
        original = DAG.__init__

        def counted(dag, *args, **options):
            self._made += 1
            return original(dag, *args, **options)

        counted.__wrapped__ = original
        self._original, self._counted = original, counted

    def watch(self):
        """Counts DAGs from here on (only while templates import)."""
        self._made = 0
        DAG.__init__ = self._counted

    def neutral(self):
        """Whether no DAG was made since this was last asked."""
        made, self._made = self._made, 0
        return made == 0

    def unwatch(self):
        DAG.__init__ = self._original

    def untouched(self):
        """Whether the process looks as it did when this was last asked: the next file would notice no difference.

        Looks at what files commonly change: imports, data read into caches, variables of shared modules, the
        environment, import roots, threads, child processes.
        """
        self.unwatch()
        before, self._looks = self._looks, self._look()
        return self._looks == before

    def _look(self):
        modules = [sys.modules[name] for name, _ in self.recorder.loaded() if not name.startswith("unusual_prefix_")]
        try:
            children = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            children = None
        return (
            self.recorder.noted(), [(id(module), _variables(module)) for module in modules],
            [id(getattr(holder, name, None)) for holder, name in _PATCHED],
            dict(os.environ), os.getcwd(), list(sys.path), list(sys.meta_path), sys.getrecursionlimit(),
            threading.active_count(), children, len(warnings.filters),
            [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)],
        )  # fmt: skip

    def parse(self, path, command):
        """The outcome of one file; see the worker's ``parse`` for its shape."""
        self.recorder.begin(path)
        full = os.path.join(self.roots.project, path)
        bag = DagBag(dag_folder=os.devnull, include_examples=False, collect_dags=False)
        caught = _Caught()
        bag.log.handlers = [caught]
        bag.log.propagate = False
        errors, dags, outcome, begun = [], [], "ok", time.perf_counter()
        seconds = None
        try:
            with forks.limited(command["timeout_s"]):
                _readable(full)
                with _no_inner_limit():
                    found = bag.process_file(full, only_if_updated=False, safe_mode=command["safe_mode"])
                seconds = time.perf_counter() - begun
                dags = self._serialized(sorted(found, key=lambda dag: dag.dag_id), path, errors)
        except BaseException as error:
            if isinstance(error, MemoryError):
                forks.open_memory_reserve()
            outcome = _outcome(error)
            errors.append(self.describe(error, path))
        for error in caught.errors:
            if isinstance(error, MemoryError) and not error.args:
                error.args = ("used more than %d MB" % command["memory_mb"],)
            outcome = _worse(outcome, _outcome(error))
            errors.append(self.describe(error, path))
        if not caught.errors:
            for text in bag.import_errors.values():
                errors.append(_error("ImportError", text.strip().splitlines()[-1], path, text))
        if errors and outcome == "ok":
            outcome = "error"
        imports = sorted({path, *self.recorder.imports()})
        return {
            "path": path,
            "dags": dags,
            "errors": errors,
            "import_seconds": round(seconds if seconds is not None else time.perf_counter() - begun, 4),
            "imports": imports,
            "reads": self.recorder.reads(imports),
            "outcome": outcome,
            "second": None,
        }

    def module_of(self, result, command):
        """The name that a file without DAGs could be imported by, a second time in this process; None for others.

        One that took half of its time limit is left out: the second time might take too long by chance.
        """
        path = result["path"]
        if result["outcome"] != "ok" or result["dags"] or result["import_seconds"] * 2 > command["timeout_s"]:
            return None
        name = self.roots.module_of(path) if path in self.recorder.ran else None
        return name if name not in sys.modules else None

    def again(self, result, name, command):
        """Adds to the result of a file what comes of importing it as ``name`` now; the process stays as it was."""
        with self.recorder.aside():
            try:
                with forks.limited(command["timeout_s"]):
                    importlib.import_module(name)
            except MemoryError:
                # Both together may need too much where each alone does not.
                forks.open_memory_reserve()
            except BaseException as error:
                if self._passes(error, result["path"]):
                    result["second"] = {**self.describe(error, result["path"]), "outcome": _outcome(error)}
            result["imports"] = sorted({*result["imports"], *self.recorder.imports()})
            result["reads"] = self.recorder.reads(result["imports"])

    def _passes(self, error, path):
        """Whether an exception came out of that file: the package around it may have failed before."""
        frames = traceback.walk_tb(error.__traceback__)
        return any(self.roots.relative(frame.f_code.co_filename) == path for frame, _ in frames)

    def _serialized(self, dags, path, errors):
        done = []
        for dag in dags:
            try:
                document = SerializedDAG.to_dict(dag)
            except Exception as error:
                errors.append(self.describe(error, path))
                continue
            document.get("dag", {}).pop("_processor_dags_folder", None)
            # Airflow puts a hash of the absolute path into module names; the same commit must give the same bytes.
            text = _MODULE_PREFIX.sub("unusual_prefix_", json.dumps(document, sort_keys=True))
            document = json.loads(self.root_text.sub(".", text))
            document.get("dag", {})["fileloc"] = path
            told = {"dag_id": dag.dag_id, "serialized": document, "fileloc": path, "templates": self._templates(dag)}
            done.append(told)
        return done

    def _templates(self, dag):
        """What is wrong with the templates of a DAG; None where its own code stands in the way."""
        try:
            return self.looker.look(dag)
        except Exception:
            return None

    def describe(self, error, path):
        """An exception as data, with the deepest place in the project's own files."""
        place, line = path, None
        for frame, number in traceback.walk_tb(error.__traceback__):
            own = self.roots.relative(frame.f_code.co_filename)
            if own is not None:
                place, line = own, number
        if isinstance(error, SyntaxError) and error.filename:
            own = self.roots.relative(error.filename)
            place, line = (own, error.lineno) if own is not None else (place, line)
        try:
            text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            message = str(error) or type(error).__name__
        except BaseException as failure:
            text, message = "", "an error that cannot be shown (%s)" % type(failure).__name__
        described = _error(type(error).__name__, self.root_text.sub(".", message), place, self.root_text.sub(".", text))
        described["line"] = line
        missing = getattr(error, "name", None)
        if isinstance(error, ModuleNotFoundError) and isinstance(missing, str):
            described["missing_module"] = missing
        return described


def _size(value):
    """The length of a container, so that an entry added to a shared registry is noticed."""
    return len(value) if type(value) in (list, dict, set) else None


def _variables(module):
    return [(id(value), _size(value)) for value in list(vars(module).values())]


def _error(kind, message, path, text=""):
    tail = "\n".join(text.rstrip().splitlines()[-_TAIL_LINES:])
    return {"type": kind, "message": message[-2000:], "file": path, "line": None, "traceback_tail": tail[-4000:]}


def _readable(full):
    """Raises OSError for what Airflow would pass over in silence: a link in a circle, a file that is not there."""
    with open(full, "rb") as stream:
        stream.read(1)


class _no_inner_limit:
    """Airflow's own limit raises inside the file as well; ours is the one that counts."""

    def __enter__(self):
        os.environ["AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT"] = "0"

    def __exit__(self, *about):
        os.environ.pop("AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT", None)


def _outcome(error):
    if isinstance(error, forks.Expired):
        return "timeout"
    if isinstance(error, MemoryError):
        return "memory"
    if isinstance(error, SystemExit):
        return "exited"
    return "error"


def _worse(one, other):
    order = ["ok", "error", "exited", "memory", "timeout"]
    return max(one, other, key=order.index)
