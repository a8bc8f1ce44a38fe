"""Runs the tests of one file by pytest, in the process it is called in, and tells what became of each."""

import faulthandler
import gc
import os
import sys
import traceback
from importlib.util import find_spec

import _interlock_forks as forks
import _interlock_imports as imports
import _interlock_trace as tracing
import pytest

_TAIL_LINES, _TAIL_CHARACTERS, _LONGEST = 60, 8000, 2000
_LONGEST_ID = 1000
_SECONDS = 3
# Options of plugins that would run tests elsewhere, twice, or write into the project.
_SWITCHED_OFF = {"xmlpath": None, "htmlpath": None, "interlock": False}


def warm_up(folder):
    """pytest and its plugins have loaded what they load for every file, each as pytest wants it rewritten."""
    os.makedirs(folder)
    for name, text in (("pytest.ini", "[pytest]\n"), ("test_interlock_warm_up.py", "def test_nothing():\n    pass\n")):
        with open(os.path.join(folder, name), "w") as stream:
            stream.write(text)
    path, modules = list(sys.path), set(sys.modules)
    pytest.main(["-q", "--rootdir", folder, "-c", os.path.join(folder, "pytest.ini"), "-p", "no:cacheprovider", folder])
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if "interlock_warm_up" in name:
            del sys.modules[name]
    gc.collect()
    # What is there by now the collectors of the forked processes leave alone: its pages stay shared.
    gc.freeze()


class TestFile:
    """One test file: ``argument`` is what pytest is told to look through for it, ``path`` the file itself."""

    def __init__(self, roots, argument, path, ours, memory_mb):
        self.roots, self.argument, self.path, self.memory_mb = roots, argument, path, memory_mb
        self.ours = [os.path.join(roots.project, one) for one in ours]

    def run(self, say, stack, book):
        """What the file's tests did; each is told to ``say`` as it ends.

        ``stack``: an open file, for where the process stands when it dies. ``book``: the descriptor of one for what is
        asked of the project. Returns {problem, message, place, detail, not_run}: ``problem`` is "" where every test was
        run, or uncollected, refused or stopped.
        """
        imports.ignore_stored_bytecode(self.roots)
        _without_rewritten_bytecode(self.roots)
        plugin = _Plugin(self, say, stack)
        tracing.Trace(self.roots, book).listen()
        try:
            code = int(pytest.main(self._arguments(), plugins=[plugin]))
        except BaseException as error:
            # Even an exit while the file is imported.
            code, plugin.stop = int(pytest.ExitCode.INTERRUPTED), error
        problem, error = plugin.ending(code)
        told = self.described(error) if error is not None else {"message": "", "place": ["", 0], "detail": ""}
        return {"problem": problem, **told, "not_run": plugin.left()}

    def _arguments(self):
        home = os.environ["HOME"]
        given = [self.argument, "-q", "--tb=no", "-o", "cache_dir=" + os.path.join(home, "pytest-cache")]
        # Its workers would be processes that nobody hears; coverage writes into the project.
        given += ["-n0"] if find_spec("xdist") else []
        return given + (["--no-cov"] if find_spec("pytest_cov") else [])

    def described(self, error):
        """An exception as data. ``place`` is the deepest line of the tests' own code, else of the project's."""
        if isinstance(error, MemoryError):
            forks.open_memory_reserve()
            error.args = error.args or ("used more than %d MB" % self.memory_mb,)
        own, test = ["", 0], ["", 0]
        for frame, number in traceback.walk_tb(error.__traceback__):
            name = frame.f_code.co_filename
            path = self.roots.relative(name) if not name.startswith("<") else None
            if path is not None:
                own = [path, number]
                if any(name == one or name.startswith(one.rstrip("/") + "/") for one in self.ours):
                    test = own
        if isinstance(error, SyntaxError) and error.filename and self.roots.relative(error.filename):
            test = [self.roots.relative(error.filename), error.lineno or 0]
        try:
            message = str(error)[:_LONGEST]
            lines = "".join(traceback.format_exception(type(error), error, error.__traceback__)).splitlines()
        except BaseException as failure:
            message, lines = "an error that cannot be shown (%s)" % type(failure).__name__, []
        name = type(error).__name__
        said = name if not message else message if name in ("AssertionError", "Failed") else "%s: %s" % (name, message)
        tail = "\n".join(lines[-_TAIL_LINES:])[-_TAIL_CHARACTERS:]
        return {"message": self.told(said), "place": test if test[0] else own, "detail": self.told(tail)}

    def told(self, text):
        """A text without the places of this machine."""
        return text.replace(self.roots.project + "/", "").replace(os.environ.get("HOME", "\0"), "~")

    def named(self, item):
        """(A test's name as people type it: the file below the project, then what pytest puts behind it; its place)."""
        path = self.roots.relative(str(item.path)) or self.path
        name = (path + "::" + item.nodeid.partition("::")[2])[:_LONGEST_ID]
        line = item.location[1]
        return name, [path, 0 if line is None else line + 1]


class _Plugin:
    """Hears what pytest does with the file."""

    def __init__(self, file, say, stack):
        self.file, self.say, self.stack = file, say, stack
        self.target = os.path.join(file.roots.project, file.path)
        self.items, self.results, self.errors = {}, {}, {}
        self.done = set()
        self.error = self.refused = self.conftest = self.stop = None

    def ending(self, code):
        """(problem, exception) by pytest's exit code."""
        if self.conftest is not None:
            return "uncollected", self.conftest
        if self.refused is not None or code == pytest.ExitCode.USAGE_ERROR:
            return "refused", self.refused or RuntimeError("pytest refused its arguments")
        if self.error is not None:
            return "uncollected", self.error
        stopped = code in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
        return ("stopped", self.stop) if stopped else ("", None)

    def left(self):
        """The tests that were collected and have not ended."""
        return [name for name, _ in self.items.values() if name not in self.done]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_cmdline_parse(self):
        self._keep_refusal((yield))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_cmdline_main(self):
        self._keep_refusal((yield))

    def _keep_refusal(self, outcome):
        error = outcome.excinfo[1] if outcome.excinfo else None
        if isinstance(error, pytest.UsageError) and self.refused is None:
            self.refused = error

    @pytest.hookimpl(hookwrapper=True)
    def pytest_load_initial_conftests(self):
        outcome = yield
        error = outcome.excinfo[1] if outcome.excinfo else None
        if error is not None and not isinstance(error, pytest.UsageError):
            self.conftest = _cause(error)

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config):
        for name, value in _SWITCHED_OFF.items():
            if hasattr(config.option, name):
                setattr(config.option, name, value)

    def pytest_keyboard_interrupt(self, excinfo):
        self.stop = excinfo.value

    def pytest_internalerror(self, excinfo):
        self.stop = excinfo.value

    def pytest_sessionstart(self):
        faulthandler.enable(self.stack)

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path):
        path = str(collection_path)
        return None if path == self.target or self.target.startswith(path + os.sep) else True

    def pytest_collection_finish(self, session):
        self.items = {item.nodeid: self.file.named(item) for item in session.items}
        self.say(collected=[name for name, _ in self.items.values()])

    def pytest_exception_interact(self, node, call):
        error = _cause(call.excinfo.value)
        if isinstance(node, pytest.Item):
            self.errors.setdefault(node.nodeid, self.file.described(error))
        elif self.error is None:
            self.error = error

    def pytest_runtest_logstart(self, nodeid):
        self.results[nodeid] = {"outcome": "skipped", "seconds": 0.0, "retried": False}
        name, place = self.items.get(nodeid, (nodeid, [self.file.path, 0]))
        self.say(at=name, place=place)

    def pytest_runtest_logreport(self, report):
        result = self.results.setdefault(report.nodeid, {"outcome": "skipped", "seconds": 0.0, "retried": False})
        result["seconds"] += report.duration
        if report.outcome == "rerun":
            result["retried"] = True
        elif report.failed:
            result["outcome"] = "failed"
            # An expected failure that passes has no exception.
            result.setdefault("message", str(report.longrepr)[:_LONGEST] if isinstance(report.longrepr, str) else "")
        elif report.passed and report.when == "call" and result["outcome"] != "failed":
            result["outcome"] = "passed"

    def pytest_runtest_logfinish(self, nodeid):
        # What the test replaced is in its place again.
        name, place = self.items.get(nodeid, (nodeid, [self.file.path, 0]))
        result = {"test": name, "message": "", "place": place, "detail": "", **self.results.pop(nodeid)}
        if result["outcome"] == "failed":
            told = self.errors.get(nodeid, {})
            result.update(told if told.get("place", [""])[0] else {**told, "place": place})
        result["seconds"] = round(result["seconds"], _SECONDS)
        self.done.add(name)
        self.say(test=result)


def _cause(error):
    """What really happened, where pytest wraps it."""
    wrapped = type(error).__name__ in ("CollectError", "ConftestImportFailure")
    inner = getattr(error, "cause", None) or error.__cause__
    return inner if wrapped and isinstance(inner, BaseException) else error


def _without_rewritten_bytecode(roots):
    """Tests are rewritten from their source each time: pytest matches what it stored by time and size only."""
    from _pytest.assertion import rewrite

    stored = rewrite._read_pyc

    def read_pyc(source, *args, **options):
        return None if roots.relative(os.fspath(source)) is not None else stored(source, *args, **options)

    rewrite._read_pyc = read_pyc
