"""The Airflow adapter: a DAG folder that is switched whole, on a disk that Airflow reads."""

from collections.abc import Sequence
from typing import Any

from interlock.adapters.airflow import layout, verify
from interlock.adapters.airflow.api import AirflowApi
from interlock.adapters.airflow.undo import Switched, partly_back
from interlock.adapters.airflow.watch import GATE, Watch, expected_of
from interlock.adapters.base import Capabilities, PlanningContext, StepContext, retire_steps
from interlock.adapters.trees import TreeRoot
from interlock.config.models import AirflowSection, AirflowTarget
from interlock.model.canonical import digest_bytes, plain
from interlock.model.errors import ConfigError, FencedError, InterlockError, RefusedError, UsageError
from interlock.model.plan import Action, Change, GateResult, Outcome, Phase, Receipt, Step
from interlock.model.resources import Kind, kind_of

STAGE, VERIFY, SWITCH, OBSERVE = "airflow.stage", "airflow.verify", "airflow.switch", "airflow.observe"


class AirflowAdapter:
    """Versioned DAG folders with one atomic switch; see ``layout`` for what a folder holds."""

    engine = "airflow"
    capabilities = Capabilities(atomic_switch=True)

    # -- planning

    def plan(self, context: PlanningContext, changes: Sequence[Change]) -> list[Step]:
        """Stage, verify, switch and, where an API is configured, observe; nothing when no DAG changes."""
        own = [change for change in changes if kind_of(change.key) is Kind.DAG]
        if not own:
            return []
        _section(context.config.airflow)
        target = _target(context.environment.airflow, context.environment_name)
        keys = tuple(sorted(change.key for change in own))
        arguments = {"actions": {change.key: change.action.value for change in own}}
        count = f"{len(keys)} DAG{'' if len(keys) == 1 else 's'}"

        def step(id: str, phase: Phase, verb: str, summary: str, inverse: str = "") -> Step:
            return Step(id, phase, self.engine, verb, keys, summary, inverse, arguments=arguments)

        steps = [
            step(STAGE, Phase.STAGE, "stage", f"lay the DAG folder with {count} changed beside the live one", _NOTHING),
            step(VERIFY, Phase.VERIFY, "verify", "parse the whole folder in the release's own Airflow", _NOTHING),
            step(
                SWITCH,
                Phase.SWITCH,
                "switch",
                f"make it the live DAG folder: {count}, in one rename",
                "the folder that was live before becomes live again, in one rename",
            ),
        ]
        if target.api is not None:
            steps.append(
                step(
                    OBSERVE, Phase.OBSERVE, "observe", f"wait until Airflow shows the new version of {count}", _NOTHING
                )
            )
        return [*steps, *retire_steps(context, self.engine, keys)]

    # -- forward

    def execute(self, step: Step, context: StepContext) -> Receipt:
        """Carry out one of our steps."""
        verbs = {
            "stage": self._stage,
            "verify": self._verify,
            "switch": self._switch,
            "observe": self._observe,
            "confirm": self._confirm,
            "retire": self._retire,
        }
        if step.verb not in verbs:
            raise UsageError(f"airflow knows no step '{step.verb}'")
        return verbs[step.verb](step, context)

    def _stage(self, step: Step, context: StepContext) -> Receipt:
        tree, known = _tree(context), set(_tree(context).known())
        view = self._staged(context, tree)
        return Receipt(step.id, view not in known, {"view": view})

    @staticmethod
    def _staged(context: StepContext, tree: TreeRoot) -> str:
        """The release's tree is on the disk, with what is disabled held back; its view id."""
        section = _section(context.config.airflow)
        if context.manifest is None or context.blobs is None:
            raise UsageError("staging needs the release")
        current = tree.current()
        hold = layout.withheld(tree.files(current)) if current else frozenset()
        files = layout.arranged(layout.project_files(context.manifest, section), hold)
        stamp = layout.stamp(files, section, context.manifest.id)
        ours = {digest_bytes(data): data for data in stamp.values()}
        files.update({path: (digest_bytes(data), False) for path, data in stamp.items()})
        blobs = context.blobs
        return tree.stage(files, lambda digest: ours[digest] if digest in ours else blobs.read(digest))

    def _after(self, context: StepContext, tree: TreeRoot) -> str:
        staged = context.receipts.get(STAGE)
        return str(staged.data["view"]) if staged else self._staged(context, tree)

    def _verify(self, step: Step, context: StepContext) -> Receipt:
        section, tree = _section(context.config.airflow), _tree(context)
        view = self._after(context, tree)
        if context.runtime is None or context.manifest is None:
            unknown = GateResult(
                verify.GATE, step.resources[0], Outcome.UNKNOWN, "not parsed: no runtime is at hand",
                remedy="Declare the runtime that 'airflow.runtime' names.",
            )  # fmt: skip
            return Receipt(step.id, False, {"gates": [plain(unknown)]})
        hold = layout.withheld(tree.files(view))
        runtime = context.runtime(section.runtime)
        files = verify.parsed(tree.path(view), tree.root, section, runtime, context.on_progress)
        expected = [dag for dag in layout.dags(context.manifest) if dag.path not in hold]
        gates = [plain(result) for result in verify.results(files, expected)]
        return Receipt(step.id, True, {"gates": gates, "seconds": {f["path"]: f["import_seconds"] for f in files}})

    def _switch(self, step: Step, context: StepContext) -> Receipt:
        tree, manifest = _tree(context), context.manifest
        if manifest is None:
            raise UsageError("switching needs the release")
        after, before = self._after(context, tree), tree.current()
        data: dict[str, Any] = {
            "before": before,
            "after": after,
            "live": layout.live_data(manifest, step.resources, after),
            "live_before": {
                key: context.state.resources[key].data if key in context.state.resources else None
                for key in step.resources
            },
        }
        old = tree.files(before) if before else {}
        changed = {path for path, entry in tree.files(after).items() if old.get(path) != entry}
        data["touch"] = sorted(
            {dag.path for dag in layout.dags(manifest) if dag.key in step.resources or changed & set(dag.files)}
        )
        # A rerun after a kill would find the new folder live: what was there before is known from the first run.
        data = tree.note(_note(step, context), data)
        if tree.current() not in (data["before"], data["after"]):
            raise RefusedError(
                "somebody else switched this DAG folder during the deployment",
                remedy="See who deploys to this folder beside Interlock; then deploy again.",
            )
        changed_now = tree.switch(data["after"], data["touch"], context.fence)
        return Receipt(step.id, changed_now, data)

    def _observe(self, step: Step, context: StepContext) -> Receipt:
        tree, target = _tree(context), _target(context.environment.airflow, context.environment_name)
        if target.api is None:
            raise UsageError("observing needs 'airflow.api'")
        noted = tree.noted(f"{context.deployment}/{SWITCH}") or {}
        verified = context.receipts.get(VERIFY)
        seconds = verified.data.get("seconds", {}) if verified else {}
        actions = {key: Action(word) for key, word in step.arguments["actions"].items()}
        expected = expected_of(tree, _section(context.config.airflow), noted, actions, seconds)
        watch = Watch(
            AirflowApi.configured(target.api), expected, target.api.timeout.total_seconds(), context.on_progress
        )
        gates = [plain(result) for result in watch.run(context.fence)]
        return Receipt(step.id, False, {"gates": gates})

    def _retire(self, step: Step, context: StepContext) -> Receipt:
        context.fence()
        tree = _tree(context)
        # However the clock jumps: what this deployment replaced stays.
        keep = tree.replaced(f"{context.deployment}/{SWITCH}")
        gone = tree.retire(keep, context.environment.retention.total_seconds())
        return Receipt(step.id, bool(gone), {"views": list(gone)})

    def _confirm(self, step: Step, context: StepContext) -> Receipt:
        """Whether Airflow serves what a rollback made live; unknown where it does not answer."""
        tree, target = _tree(context), _target(context.environment.airflow, context.environment_name)
        if target.api is None:
            raise UsageError("observing needs 'airflow.api'")
        undone = [context.receipts[id].data for id in step.arguments["switches"]]
        noted = {"before": undone[0].get("before"), "live": {k: v for data in undone for k, v in data["live"].items()}}
        actions = {key: Action(word) for key, word in step.arguments["actions"].items()}
        expected = expected_of(tree, _section(context.config.airflow), noted, actions, {})
        limit = target.api.timeout.total_seconds()
        try:
            results = Watch(AirflowApi.configured(target.api), expected, limit, context.on_progress).run(context.fence)
        except FencedError:
            raise
        except InterlockError as error:
            away = f"not confirmed: {error.summary}"
            results = [GateResult(GATE, key, Outcome.UNKNOWN, away, remedy=error.remedy) for key in step.resources]
        return Receipt(step.id, False, {"gates": [plain(one) for one in results]})

    # -- back

    def revert(
        self, step: Step, receipt: Receipt | None, context: StepContext, only: frozenset[str] | None = None
    ) -> Receipt:
        """The folder that was live before the step is live again, from the disk alone; what is disabled stays so.

        With ``only`` the other DAGs keep their version; ``RefusedError`` where they share a file that would change.
        """
        tree = _tree(context)
        data = receipt.data if receipt else tree.noted(_note(step, context))
        if step.phase is not Phase.SWITCH or not data or "after" not in data:
            return Receipt(step.id, False)
        section, current = _section(context.config.airflow), tree.current()
        switched = Switched(data["before"], data["after"], data["live"], data["live_before"])
        now = tree.files(current) if current else {}
        if only is None:
            wanted = tree.files(switched.before) if switched.before else {}
        else:
            wanted = partly_back(tree, now, switched, only, context.state)
        view = layout.assemble(tree, layout.arranged(wanted, layout.withheld(now)), section)
        keys = set(switched.live_before) if only is None else set(only)
        changed = tree.switch(view, switched.paths(keys), context.fence)
        back = {key: switched.live_before.get(key) for key in sorted(keys)}
        return Receipt(
            step.id,
            changed,
            {
                "before": current,
                "after": view,
                "live": back,
                "live_before": {key: switched.live.get(key) for key in back},
            },
        )

    # -- one DAG off and on

    def disable(self, key: str, context: StepContext) -> Receipt:
        """The DAG starts no run: paused through the API where there is one, else its file is held back."""
        return self._turned(key, context, off=True)

    def enable(self, key: str, context: StepContext) -> Receipt:
        """The inverse of ``disable``."""
        return self._turned(key, context, off=False)

    def _turned(self, key: str, context: StepContext, *, off: bool) -> Receipt:
        target = _target(context.environment.airflow, context.environment_name)
        step = f"airflow.{'disable' if off else 'enable'}"
        if target.api is not None:
            context.fence()
            return Receipt(step, AirflowApi.configured(target.api).pause(key.partition(":")[2], off), {"paused": off})
        tree = _tree(context)
        current, path = tree.current(), _path_of(key, context)
        if current is None:
            raise UsageError(f"nothing was deployed to {context.environment_name}, so {key} cannot be disabled")
        others = _users_of(path, context, key)
        if others and off:
            raise RefusedError(
                f"{path} also serves {', '.join(others)}: holding it back would stop those too",
                remedy="Configure 'airflow.api', which pauses one DAG; or move the DAG to a file of its own.",
            )
        files = tree.files(current)
        hold = layout.withheld(files)
        view = layout.assemble(
            tree, layout.arranged(files, hold | {path} if off else hold - {path}), _section(context.config.airflow)
        )
        return Receipt(step, tree.switch(view, [path], context.fence), {"before": current, "after": view})

    # -- what is there

    def observe(self, context: StepContext) -> dict[str, Any]:
        """Each live DAG: whether its file is in the folder, whether it is held back, and which files were edited."""
        tree = _tree(context)
        current = tree.current()
        files = tree.files(current) if current else {}
        edited = set(tree.drift(current)) if current else set()
        hold = layout.withheld(files)
        found: dict[str, Any] = {}
        for key, live in context.state.resources.items():
            if kind_of(key) is not Kind.DAG:
                continue
            path, names = str(live.data.get("path", "")), sorted(live.data.get("files", {}))
            at = {name: layout.withheld_path(name) if name in hold else name for name in (path, *names)}
            drift = [name for name in names if at[name] in edited or at[name] not in files]
            found[key] = {
                "present": current is not None and (tree.path(current) / at[path]).is_file(),
                "enabled": path not in hold,
                "view": current,
                "drift": ["current", *drift] if current != tree.intended() else drift,
            }
        return found


_NOTHING = "nothing to undo: nobody reads it"


def _note(step: Step, context: StepContext) -> str:
    return f"{context.deployment}/{step.id}"


def _section(section: AirflowSection | None) -> AirflowSection:
    if section is None:
        raise ConfigError("the project declares no DAG folder", remedy="Add 'airflow: {dags: ...}' to interlock.yaml.")
    return section


def _target(target: AirflowTarget | None, environment: str) -> AirflowTarget:
    if target is None:
        raise ConfigError(
            f"environment '{environment}' has no Airflow target",
            remedy=f"Add 'environments.{environment}.airflow: {{root: ...}}' to interlock.yaml.",
        )
    return target


def _tree(context: StepContext) -> TreeRoot:
    target = _target(context.environment.airflow, context.environment_name)
    return TreeRoot(context.resolve(target.root))


def _path_of(key: str, context: StepContext) -> str:
    live = context.state.resources.get(key)
    if live is None or "path" not in live.data:
        raise UsageError(
            f"{key} is not live in {context.environment_name}", remedy="'interlock status' lists what is live."
        )
    return str(live.data["path"])


def _users_of(path: str, context: StepContext, key: str) -> list[str]:
    return sorted(
        other
        for other, live in context.state.resources.items()
        if other != key and kind_of(other) is Kind.DAG and path in live.data.get("files", {})
    )
