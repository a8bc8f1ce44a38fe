"""Parses DAG files inside the project's Airflow, one process a file.

Started by path inside the runtime; see ``interlock.runtimes.worker`` for the protocol.
"""

import os
import sys

import _interlock_airflow as throw_away

_HOME = os.environ["HOME"]
throw_away.forget_everything(_HOME)

# Imports Airflow: this is the second that all files share.
import _interlock_dagfile as dagfile  # noqa: E402
import _interlock_forest as forest  # noqa: E402
import _interlock_forks as forks  # noqa: E402
import _interlock_imports as imports  # noqa: E402
from _interlock_channel import Channel, Refused  # noqa: E402


def _listed(dags_folder, safe_mode):
    """The files that Airflow itself would look at, .airflowignore included."""
    from airflow.utils.file import list_py_file_paths

    try:
        return list_py_file_paths(dags_folder, safe_mode=safe_mode, include_examples=False)
    except RuntimeError as error:
        raise Refused(str(error), "Remove the link that points back at its own folder.") from None


class AirflowWorker:
    """The operations; keeps nothing from one request to the next but Airflow itself."""

    def __init__(self, channel):
        self.channel = channel
        throw_away.make_tables()
        self.looker = dagfile.warm_up(_HOME)

    def hello(self):
        """The engine's version."""
        import airflow

        return {"engine": "airflow", "version": airflow.__version__, "python": sys.version.split()[0]}

    def parse(
        self,
        dags_folder,
        project_root=None,
        include=(),
        files=None,
        timeout_s=30.0,
        memory_mb=1024,
        jobs=None,
        group_size=12,
        safe_mode=True,
        warm=True,
    ):
        """Every file's outcome, sorted by path; paths are relative to the project root (default: the DAG folder).

        ``files``: what to parse, default what Airflow would find. ``include``: further import roots. ``timeout_s`` and
        ``memory_mb`` hold for one file; ``jobs`` processes at a time, each for up to ``group_size`` files with the
        same imports (1: no file ever shares a process). ``warm``: whether shared imports are done ahead.
        Returns {"files": [{path, dags: [{dag_id, serialized, fileloc, templates}], errors: [{type, message, file, line,
        traceback_tail, missing_module?}], import_seconds, imports, reads, outcome, second}]}; ``imports`` are the
        project files that ran, ``reads`` those that were opened, ``outcome`` is ok, error, timeout, memory, crashed or
        exited, ``second`` the error, with an outcome, of a file without DAGs that is imported under its own name then.
        """
        project_root = os.path.realpath(project_root or dags_folder)
        folders = [os.path.realpath(folder) for folder in (dags_folder, *include)]
        if files is None:
            listed = [os.path.relpath(path, project_root) for path in _listed(folders[0], safe_mode)]
            files = [path.replace(os.sep, "/") for path in listed]
        roots = imports.Roots(project_root, folders)
        planned, foreign = self._plan(files, roots, warm)
        results = {}

        def done(path, result):
            results[path] = result
            self.channel.event(kind="parsed", path=path, done=len(results), total=len(files), outcome=result["outcome"])

        work = _Work(self.channel, roots, self.looker)
        limits = {"timeout_s": timeout_s, "memory_mb": memory_mb, "safe_mode": safe_mode}
        forest.Forest(limits, jobs or os.cpu_count() or 1, group_size, work, done).run(foreign, planned)
        return {"files": [results[path] for path in sorted(results)]}

    def _plan(self, files, roots, warm):
        jobs, foreign = [], {}
        for path in sorted(set(files)):
            own, other = imports.split(imports.leading_imports(os.path.join(roots.project, path)), roots)
            jobs.append(forest.Job(path, own if warm else []))
            for module in other:
                foreign[module] = foreign.get(module, 0) + 1
        return jobs, [module for module, count in foreign.items() if warm and count > 1]


class _Work:
    """What forked processes do. Made before they are forked, prepared inside the first of them only: import roots and
    the ear for imports never reach the worker itself."""

    def __init__(self, channel, roots, looker):
        self.channel, self.roots, self.looker = channel, roots, looker

    def prepare(self):
        """This process may run the project's code from now on."""
        self.channel.close()
        sys.path += [folder for folder in self.roots.folders if folder not in sys.path]
        imports.ignore_stored_bytecode(self.roots)
        files = dagfile.DagFiles(self.roots, imports.Recorder(self.roots), self.looker)
        files.watch()
        self.parse, self.untouched = files.parse, files.untouched
        self.module_of, self.again = files.module_of, files.again
        self.neutral, self.describe = files.neutral, files.describe


def main():
    channel = Channel(sys.argv)
    forks.adopt_orphans()
    worker = AirflowWorker(channel)
    channel.serve({"hello": worker.hello, "parse": worker.parse})


if __name__ == "__main__":
    main()
