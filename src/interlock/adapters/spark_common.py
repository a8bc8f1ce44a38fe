"""Spark jobs as versioned artifacts: what batch jobs and streams share.

Below an environment's root::

    bin/interlock-spark-submit                    the launcher; needs Python and spark-submit, not Interlock
    <batch|stream>/versions/<job>/views/<id>/...  a version: the script, what it imports and the shared packages
    <batch|stream>/current/<job>.json             the pointer to the version that is live; all switch in one rename

A launch reads its pointer once and then uses that version's folder, whatever is switched meanwhile.
"""

import io
import json
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, ClassVar

from interlock.adapters import tree_files as disk
from interlock.adapters.base import Capabilities, PlanningContext, StepContext, retire_steps
from interlock.adapters.trees import Files, TreeRoot
from interlock.config.models import SparkTarget
from interlock.model.canonical import canonical_json, digest_bytes
from interlock.model.errors import ConfigError, RefusedError, UsageError
from interlock.model.plan import Action, Change, Phase, Receipt, Step
from interlock.model.release import Manifest
from interlock.model.resources import Kind, Resource, kind_of

LAUNCHER = "interlock-spark-submit"
PY_FILES = ".interlock/pyfiles.zip"
_LAUNCHER_SOURCE = Path(__file__).parent / "spark_batch" / "launcher.py"


class SparkAdapter:
    """The verbs for one kind of Spark job; see the module for what lies where."""

    engine: str
    kind: ClassVar[Kind]
    folder: ClassVar[str]
    noun: ClassVar[str]
    after_switch: ClassVar[str]
    capabilities = Capabilities(atomic_switch=True, zero_copy=True, pin=True)

    # -- planning

    def plan(self, context: PlanningContext, changes: Sequence[Change]) -> list[Step]:
        """Stage and switch; nothing when none of our jobs changes."""
        own = [change for change in changes if kind_of(change.key) is self.kind]
        if not own:
            return []
        _target(context.environment.spark, context.environment_name)
        keys = tuple(sorted(change.key for change in own))
        arguments = {"actions": {change.key: change.action.value for change in own}}
        count = f"{len(keys)} {self.noun}{'' if len(keys) == 1 else 's'}"
        return [
            Step(
                f"{self.engine}.stage", Phase.STAGE, self.engine, "stage", keys,
                f"lay the new versions of {count} beside the live ones", "nothing to undo: nobody runs them",
                arguments=arguments,
            ),
            Step(
                f"{self.engine}.switch", Phase.SWITCH, self.engine, "switch", keys,
                f"the launcher starts the new versions of {count}, all from one rename on; {self.after_switch}",
                f"the launcher starts the versions from before again; {self.after_switch}",
                arguments=arguments,
            ),
            *retire_steps(context, self.engine, keys),
        ]  # fmt: skip

    # -- forward

    def execute(self, step: Step, context: StepContext) -> Receipt:
        """Carry out one of our steps."""
        if step.verb == "stage":
            return self._stage(step, context)
        if step.verb == "switch":
            return self._switch(step, context)
        if step.verb == "retire":
            return self._retire(step, context)
        raise UsageError(f"{self.engine} knows no step '{step.verb}'")

    def _stage(self, step: Step, context: StepContext) -> Receipt:
        tree = self._tree(context)
        known = set(tree.known())
        view, live, base = self._staged(step, context, tree)
        return Receipt(step.id, view not in known, {"view": view, "live": live, "base": base})

    def _staged(
        self, step: Step, context: StepContext, tree: TreeRoot
    ) -> tuple[str, dict[str, dict[str, Any]], str | None]:
        base = tree.current()
        overrides: dict[str, str | None] = {}
        extra: dict[str, bytes] = {}
        live: dict[str, dict[str, Any]] = {}
        now = _pointers(tree, base)
        for key, word in sorted(step.arguments["actions"].items()):
            if Action(word) is Action.REMOVE:
                overrides[_pointer_path(key)] = None
                continue
            live[key] = self._version(key, context)
            enabled = bool(now.get(key, {}).get("enabled", True))
            extra[_pointer_path(key)] = canonical_json({"key": key, "enabled": enabled, **live[key]})
        return tree.compose(base, overrides, (), extra), live, base

    def _version(self, key: str, context: StepContext) -> dict[str, Any]:
        """The release's version of one job is on the disk; what its pointer says."""
        manifest, blobs = context.manifest, context.blobs
        if manifest is None or blobs is None:
            raise UsageError("staging needs the release")
        job = manifest.catalog.by_key[key]
        include = context.config.spark.include if context.config.spark else ()
        paths = sorted(_paths(manifest, job, include))
        files: Files = {path: (manifest.by_path[path].digest, manifest.by_path[path].executable) for path in paths}
        roots = [*include, str(Path(job.path).parent.as_posix())]
        archive = _archive({path: blobs.read(files[path][0]) for path in paths if path != job.path}, roots)
        ours = {digest_bytes(archive): archive} if archive else {}
        staged = {**files, **({PY_FILES: (digest_bytes(archive), False)} if archive else {})}
        version = self._versions(context, job.name).stage(
            staged, lambda digest: ours[digest] if digest in ours else blobs.read(digest)
        )
        return {
            "version": version,
            "fingerprint": job.fingerprint,
            "path": job.path,
            "include": sorted({root for root in include if any(path.startswith(f"{root}/") for path in paths)}),
            "py_files": PY_FILES if archive else "",
            "files": {path: files[path][0] for path in paths},
        }

    def _switch(self, step: Step, context: StepContext) -> Receipt:
        tree = self._tree(context)
        staged = context.receipts.get(f"{self.engine}.stage")
        noted = tree.noted(_note(step, context))
        if noted is None:
            if staged:
                view, live, base = staged.data["view"], staged.data["live"], staged.data["base"]
            else:
                view, live, base = self._staged(step, context, tree)
            states = context.state.resources
            before = {key: states[key].data if key in states else None for key in step.resources}
            # A rerun after a kill would find the new versions live: what was there before is known from the first run.
            noted = tree.note(
                _note(step, context), {"before": base, "after": view, "live": live, "live_before": before}
            )
        if tree.current() not in (noted["before"], noted["after"]):
            raise RefusedError(
                f"somebody else switched these {self.noun}s during the deployment",
                remedy="See who deploys to this folder beside Interlock; then deploy again.",
            )
        self._install(context)
        return Receipt(step.id, tree.switch(noted["after"], (), context.fence), noted)

    def _install(self, context: StepContext) -> None:
        source = _LAUNCHER_SOURCE.read_bytes()
        place = self._root(context) / "bin" / LAUNCHER
        if disk.digest_at(place) != digest_bytes(source):
            context.fence()
            with disk.translated(place):
                disk.write(place, source, executable=True)

    def _retire(self, step: Step, context: StepContext) -> Receipt:
        """Pointers of their age are gone, then the versions that no pointer names any more."""
        context.fence()
        seconds = context.environment.retention.total_seconds()
        tree = self._tree(context)
        # However the clock jumps: what this deployment replaced stays.
        gone = list(tree.retire(tree.replaced(f"{context.deployment}/{self.engine}.switch"), seconds))
        named: dict[str, set[str]] = {}
        for view in tree.known():
            for key, pointer in _pointers(tree, view).items():
                named.setdefault(_name(key), set()).add(pointer["version"])
        folder = self._root(context) / self.folder / "versions"
        for job in sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ():
            gone += TreeRoot(folder / job).retire(named.get(job, ()), seconds)
        return Receipt(step.id, bool(gone), {"views": gone})

    # -- back

    def revert(
        self, step: Step, receipt: Receipt | None, context: StepContext, only: frozenset[str] | None = None
    ) -> Receipt:
        """The launcher starts the versions from before the step; other jobs and what is disabled stay as they are."""
        tree = self._tree(context)
        data = receipt.data if receipt else tree.noted(_note(step, context))
        if step.phase is not Phase.SWITCH or not data or "after" not in data:
            return Receipt(step.id, False)
        keys = sorted(data["live_before"] if only is None else only)
        current = tree.current()
        before, now = _pointers(tree, data["before"]), _pointers(tree, current)
        overrides: dict[str, str | None] = {}
        extra: dict[str, bytes] = {}
        for key in keys:
            if key in before:
                enabled = bool(now.get(key, {}).get("enabled", before[key]["enabled"]))
                self._require(before[key], context)
                extra[_pointer_path(key)] = canonical_json({**before[key], "enabled": enabled})
            else:
                overrides[_pointer_path(key)] = None
        view = tree.compose(current, overrides, (), extra)
        changed = tree.switch(view, (), context.fence)
        back = {key: data["live_before"].get(key) for key in keys}
        forth = {key: data["live"].get(key) for key in keys}
        return Receipt(step.id, changed, {"before": current, "after": view, "live": back, "live_before": forth})

    def _require(self, pointer: dict[str, Any], context: StepContext) -> None:
        """The version is whole on the disk; ``RefusedError`` where it was damaged, or is no longer kept."""
        name = _name(pointer["key"])
        damaged = self._versions(context, name).drift(pointer["version"])
        if damaged:
            raise RefusedError(
                f"version {pointer['version'][:12]} of {name} was changed by hand: {', '.join(damaged[:3])}",
                remedy="Deploy the release that holds it again: that puts it right.",
            )

    # -- one job off and on

    def disable(self, key: str, context: StepContext) -> Receipt:
        """The launcher refuses to start the job (exit code 75); what runs already goes on."""
        return self._turned(key, context, enabled=False)

    def enable(self, key: str, context: StepContext) -> Receipt:
        """The inverse of ``disable``."""
        return self._turned(key, context, enabled=True)

    def _turned(self, key: str, context: StepContext, *, enabled: bool) -> Receipt:
        tree = self._tree(context)
        current = tree.current()
        pointer = _pointers(tree, current).get(key)
        if pointer is None:
            raise UsageError(
                f"{key} is not live in {context.environment_name}", remedy="'interlock status' lists what is live."
            )
        view = tree.compose(current, {}, (), {_pointer_path(key): canonical_json({**pointer, "enabled": enabled})})
        step = f"{self.engine}.{'enable' if enabled else 'disable'}"
        return Receipt(step, tree.switch(view, (), context.fence), {"before": current, "after": view})

    # -- what is there

    def observe(self, context: StepContext) -> dict[str, Any]:
        """Each live job: whether the launcher would start it, its version, and which of its files were edited."""
        tree = self._tree(context)
        current = tree.current()
        now = _pointers(tree, current)
        found: dict[str, Any] = {}
        for key, live in context.state.resources.items():
            if kind_of(key) is not self.kind:
                continue
            pointer = now.get(key)
            if pointer is None:
                found[key] = {"present": False, "enabled": False, "drift": []}
                continue
            drift = list(self._versions(context, _name(key)).drift(pointer["version"]))
            if current != tree.intended() or pointer["version"] != live.data.get("version"):
                drift.insert(0, "current")
            found[key] = {
                "present": True, "enabled": pointer["enabled"], "version": pointer["version"], "drift": drift,
            }  # fmt: skip
        return found

    # -- places

    def _root(self, context: StepContext) -> Path:
        return context.resolve(_target(context.environment.spark, context.environment_name).root)

    def _tree(self, context: StepContext) -> TreeRoot:
        return TreeRoot(self._root(context) / self.folder)

    def _versions(self, context: StepContext, job: str) -> TreeRoot:
        return TreeRoot(self._root(context) / self.folder / "versions" / job)


def _note(step: Step, context: StepContext) -> str:
    return f"{context.deployment}/{step.id}"


def _name(key: str) -> str:
    return key.partition(":")[2]


def _pointer_path(key: str) -> str:
    return f"{_name(key)}.json"


def _pointers(tree: TreeRoot, view: str | None) -> dict[str, dict[str, Any]]:
    """The pointers of a view by resource key."""
    found = [] if view is None else [json.loads(tree.read(view, path)) for path in tree.files(view)]
    return {pointer["key"]: pointer for pointer in found}


def _target(target: SparkTarget | None, environment: str) -> SparkTarget:
    if target is None:
        raise ConfigError(
            f"environment '{environment}' has no Spark target",
            remedy=f"Add 'environments.{environment}.spark: {{root: ...}}' to interlock.yaml.",
        )
    return target


def _paths(manifest: Manifest, job: Resource, include: Collection[str]) -> set[str]:
    shared = {file.path for file in manifest.files if any(file.path.startswith(f"{root}/") for root in include)}
    return {path for path in (job.path, *job.files) if path in manifest.by_path} | shared


def _archive(files: dict[str, bytes], roots: Sequence[str]) -> bytes:
    """A zip for ``--py-files`` with what lies below the import roots; the same files give the same bytes."""
    found: dict[str, bytes] = {}
    for root in roots:
        for path, data in files.items():
            if path.startswith(f"{root}/") or root == ".":
                found.setdefault(path if root == "." else path.removeprefix(f"{root}/"), data)
    if not found:
        return b""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(found):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            archive.writestr(info, found[name])
    return buffer.getvalue()
