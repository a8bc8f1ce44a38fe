"""Parses, compiles and builds a dbt project with the project's own dbt; the manifest stays in memory between requests.

Started by path inside the runtime; see ``interlock.runtimes.worker`` for the protocol. Everything that opens the
warehouse happens in a forked child: its connections and file locks end with it, and changes to the manifest too.
"""

import functools
import importlib
import json
import os
import secrets
import socket
import sys
import time

os.environ.setdefault("DBT_SEND_ANONYMOUS_USAGE_STATS", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")

import _interlock_dbtnodes as nodes
import _interlock_dbtsooner as sooner
import _interlock_dbtunits as unittests
import _interlock_forks as forks
from _interlock_channel import Channel, Refused
from dbt.cli.main import dbtRunner

_COMMANDS = ("build", "run", "test", "snapshot", "seed")


class DbtWorker:
    """The operations. ``parse`` comes first; the others work on what it read."""

    def __init__(self, channel):
        self.channel = channel
        self.manifest = None
        self.settings = []

    def hello(self):
        """The engine's version."""
        from dbt.version import __version__

        return {"engine": "dbt", "version": __version__, "python": sys.version.split()[0]}

    def parse(self, project_dir, profiles_dir=None, target=None, target_path=None, vars=None):
        """Reads the project, only what changed since the last time with the same target path.

        Returns {manifest_path, nodes: {unique_id: summary}, errors, warnings, seconds}; with errors, the other
        operations refuse until a parse succeeds.
        """
        begun = time.perf_counter()
        target_path = os.path.abspath(target_path or os.path.join(os.environ["HOME"], "target"))
        os.makedirs(target_path, exist_ok=True)
        self.manifest = None
        self.settings = _settings(project_dir, profiles_dir or project_dir, target, target_path, vars)
        warnings = []

        def heard(event):
            if str(event.info.level) == "warn" and len(warnings) < 100:
                warnings.append(event.info.msg)

        outcome = dbtRunner(callbacks=[heard]).invoke(["parse", *self.settings])
        if not outcome.success or outcome.result is None:
            error = outcome.exception or RuntimeError("dbt parse failed without saying why")
            return {"manifest_path": None, "nodes": {}, "errors": [nodes.problem(error)], "warnings": warnings,
                    "seconds": round(time.perf_counter() - begun, 3)}  # fmt: skip
        self.manifest = outcome.result
        return {
            "manifest_path": os.path.join(target_path, "manifest.json"),
            "nodes": {
                key: nodes.summary(node)
                for key, node in sorted(self.manifest.nodes.items())
                if str(node.resource_type) != "operation"
            },
            "errors": [],
            "warnings": warnings,
            "seconds": round(time.perf_counter() - begun, 3),
        }

    def compile(self, select=()):
        """The SQL of models, tests and snapshots without a look at the warehouse.

        Returns {sql: {unique_id: text}, incremental_sql: {unique_id: text}, failed: {unique_id: reason}}. ``sql`` is
        what runs where no table is there yet, ``incremental_sql`` what runs where it is (incremental models only). A
        node that asks the warehouse while it is compiled is in ``failed``.
        """
        self._parsed()
        first = self._in_child(self._compile, select, False)
        incremental = [key for key, node in self.manifest.nodes.items() if node.config.materialized == "incremental"]
        chosen = [key for key in incremental if key in first["sql"]]
        second = self._in_child(self._compile, chosen, True) if chosen else {"sql": {}, "failed": {}}
        return {
            "sql": first["sql"],
            "incremental_sql": {key: second["sql"][key] for key in chosen if key in second["sql"]},
            "failed": {**second["failed"], **first["failed"]},
        }

    def build(
        self,
        select=(),
        overrides=None,
        command="build",
        full_refresh=False,
        exclude=(),
        vars=None,
        target=None,
        target_path=None,
        hooks=True,
        threads=None,
        state=None,
    ):
        """Builds what is selected, the nodes in ``overrides`` in another place than the project says.

        ``select``: unique ids or dbt's own selectors; empty means all. ``hooks``: whether on-run-start and on-run-end
        run. ``state``: a folder with a manifest.json to defer to. Emits {kind: node, unique_id, status} events.
        Returns {results: [{unique_id, status, message, seconds, failures, rows}], success, errors}.
        """
        self._parsed()
        if command not in _COMMANDS:
            raise Refused("dbt has no command '%s' here" % command, "Use one of: %s." % ", ".join(_COMMANDS))
        arguments = [command, *self.settings, "--no-write-json"]
        for flag, value in (("--target", target), ("--target-path", target_path), ("--threads", threads)):
            if value is not None:
                arguments += [flag, str(value)]
        if vars is not None:
            arguments += ["--vars", json.dumps(vars)]
        if full_refresh and command in ("build", "run", "seed"):
            arguments.append("--full-refresh")
        if state is not None:
            arguments += ["--defer", "--state", str(state)]
        try:
            return self._in_child(self._build, arguments, list(select), list(exclude), overrides or {}, hooks)
        except KeyError as error:
            raise Refused("the project has no node %s" % error, "Parse the project again.") from None

    def unit_test(self, tests):
        """Runs unit tests, named by their unique ids, in a throw-away database; only on DuckDB.

        What they rest on is built there, empty. Returns {results: [{unique_id, status, message, seconds, ...}],
        missing: {unique_id: why it could not be run}}.
        """
        self._parsed()
        adapter = self.manifest.metadata.adapter_type
        if adapter != "duckdb":
            raise Refused(
                "unit tests are run on DuckDB only, and this project is built on %s" % adapter,
                "Run `dbt test --select test_type:unit` against a warehouse of your own.",
            )
        if not unittests.is_throw_away(self.manifest, os.environ["HOME"]):
            raise Refused(
                "the profile names a database of its own",
                "Let profiles.yml take its path from ILK_WAREHOUSE_PATH, and attach nothing.",
            )
        return self._in_child(self._unit_test, tests)

    def _parsed(self):
        if self.manifest is None:
            raise Refused("no project was parsed, or it has errors", "Parse the project first, and mend its errors.")

    # In the child

    def _compile(self, say, select, present):
        _without_warehouse(present)
        arguments = ["compile", *self.settings, "--no-introspect", "--no-populate-cache"]
        chosen = nodes.selectors(self.manifest, select)
        if chosen:
            arguments += ["--select", *chosen]
        outcome = dbtRunner(manifest=self.manifest).invoke(arguments)
        results = getattr(outcome.result, "results", None)
        if results is None:
            raise Refused(str(outcome.exception or "dbt compile failed"), "See dbt's message; the project parses.")
        sql, failed = {}, {}
        for one in results:
            key, text = one.node.unique_id, getattr(one.node, "compiled_code", None)
            if str(getattr(one.status, "value", one.status)) == "success" and text is not None:
                sql[key] = text
            else:
                failed[key] = str(one.message or "not compiled")[:2000]
        return {"sql": sql, "failed": failed}

    def _build(self, say, arguments, select, exclude, overrides, hooks):
        nodes.redirect(self.manifest, overrides)
        if not hooks:
            nodes.without_hooks(self.manifest)
        for flag, chosen in (("--select", select), ("--exclude", exclude)):
            if chosen:
                arguments += [flag, *nodes.selectors(self.manifest, chosen)]

        def heard(event):
            if event.info.name == "NodeFinished":
                node = event.data.node_info
                say(event={"kind": "node", "unique_id": node.unique_id, "status": node.node_status})

        outcome = dbtRunner(manifest=self.manifest, callbacks=[heard]).invoke(arguments)
        results = getattr(outcome.result, "results", None) or []
        return {
            "results": [nodes.result(one) for one in results],
            "success": bool(outcome.success),
            "errors": [nodes.problem(outcome.exception)] if outcome.exception is not None else [],
        }

    def _unit_test(self, say, tests):
        nodes.without_hooks(self.manifest)
        ground = unittests.Ground(self.manifest, tests)
        missing = ground.make_sources()
        arguments = [*self.settings, "--no-write-json"]
        if ground.parents:
            chosen = nodes.selectors(self.manifest, ground.parents)
            build = ["build", "--empty", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
            outcome = dbtRunner(manifest=self.manifest).invoke([*build, *arguments, "--select", *chosen])
            missing = ground.missing(missing, getattr(outcome.result, "results", None), outcome.exception)
        else:
            missing = ground.missing(missing, [], None)
        left = [one for one in tests if one not in missing]
        results = []
        if left:
            chosen = nodes.selectors(self.manifest, left)
            outcome = dbtRunner(manifest=self.manifest).invoke(["test", *arguments, "--select", *chosen])
            results = [nodes.result(one) for one in getattr(outcome.result, "results", None) or []]
            why = str(outcome.exception or "dbt did not run it")
            missing.update({one: why for one in left if one not in {result["unique_id"] for result in results}})
        return {"results": results, "missing": missing}

    def _in_child(self, work, *args):
        """What ``work(say, *args)`` returns, run in a forked child; raises what it raises, or Refused if it dies."""
        ours, theirs = socket.socketpair()
        nonce = secrets.token_hex(8)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                ours.close()
                self.channel.close()
                forks.die_with_parent()
                voice = forks.Voice(theirs, nonce)
                try:
                    voice.say(result=work(voice.say, *args))
                except (Refused, KeyError, ValueError) as error:
                    voice.say(
                        raised=[type(error).__name__, [str(one) for one in error.args], getattr(error, "remedy", "")]
                    )
                code = 0
            finally:
                sys.stdout.flush()
                os._exit(code)
        theirs.close()
        return self._heard_out(ours, nonce, pid)

    def _heard_out(self, ours, nonce, pid):
        buffer, result = bytearray(), None
        with ours:
            while True:
                data = ours.recv(1 << 20)
                buffer += data
                for message in forks.understand(buffer, nonce):
                    if "event" in message:
                        self.channel.event(**message["event"])
                    else:
                        result = message
                if not data or result is not None:
                    break
        _, status = os.waitpid(pid, 0)
        if result is None:
            raise Refused(
                "dbt died while it worked (wait status %d)" % status,
                "Read the end of its output; if it was killed, the machine may be out of memory.",
            )
        if "raised" in result:
            kind, arguments, remedy = result["raised"]
            raise (
                Refused(arguments[0], remedy)
                if kind == "Refused"
                else {"KeyError": KeyError}.get(kind, ValueError)(*arguments)
            )
        return result["result"]


def _settings(project_dir, profiles_dir, target, target_path, vars):
    settings = ["--project-dir", os.path.abspath(project_dir), "--profiles-dir", os.path.abspath(profiles_dir)]
    settings += ["--target-path", target_path, "--log-path", os.path.join(os.environ["HOME"], "logs")]
    # Results and events come back as data; a log that nobody can read takes a tenth of the time.
    settings += ["--no-use-colors", "--no-version-check", "--quiet", "--log-level", "none", "--log-level-file", "none"]
    if target is not None:
        settings += ["--target", target]
    if vars:
        settings += ["--vars", json.dumps(vars)]
    return settings


def _without_warehouse(present):
    """Looking a relation up needs no connection any more: none is there, or (``present``) every one is, as a table."""
    from dbt.adapters.base import BaseAdapter
    from dbt.task.compile import CompileTask

    def get_relation(adapter, database, schema, identifier, *args, **options):
        if not present:
            return None
        return adapter.Relation.create(database=database, schema=schema, identifier=identifier, type="table")

    # One node that cannot do without the warehouse must not keep the others from being compiled.
    CompileTask.raise_on_first_error = lambda task: False
    CompileTask.MARK_DEPENDENT_ERRORS_STATUSES = []
    BaseAdapter.get_relation = get_relation
    BaseAdapter._schema_is_cached = lambda adapter, database, schema: True


def warming():
    """Steps that make what every parse makes first and what depends on dbt's version alone; none looks at a project."""
    for module in sooner.adapters():
        yield functools.partial(importlib.import_module, module)
    if not sooner.kept_schemas():
        for one in sooner.validated():
            yield one.json_schema


def main():
    sooner.hasten()
    channel = Channel(sys.argv)
    forks.adopt_orphans()
    worker = DbtWorker(channel)
    operations = ("hello", "parse", "compile", "build", "unit_test")
    channel.serve({name: getattr(worker, name) for name in operations})


if __name__ == "__main__":
    main()
