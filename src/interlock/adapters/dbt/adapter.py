"""The dbt adapter: candidates beside production, gates, one switch for all of them."""

from collections.abc import Sequence
from typing import Any

from interlock.adapters.base import Capabilities, PlanningContext, StepContext
from interlock.adapters.dbt import planning, project_tree, staging, switching
from interlock.adapters.dbt.warehouse import access_to
from interlock.model.errors import UsageError
from interlock.model.plan import Change, Phase, Receipt, Step


class DbtAdapter:
    """Models, seeds and snapshots on DuckDB or PostgreSQL.

    On PostgreSQL candidates stand in a schema of their own; on DuckDB, which cannot move a table to another schema,
    they stand in the live schema under another name. Either way one transaction makes all of them live. A candidate of
    an incremental model or a snapshot is a full copy of the live table to begin with.
    """

    engine = "dbt"
    capabilities = Capabilities(atomic_switch=True, zero_copy=False)

    def plan(self, context: PlanningContext, changes: Sequence[Change]) -> list[Step]:
        """Stage, verify (by the gates), switch, retire; nothing where no dbt resource changes."""
        return planning.steps_of(context, changes)

    def execute(self, step: Step, context: StepContext) -> Receipt:
        """Carry out one of our steps."""
        if step.verb == "stage":
            return staging.stage(step, context)
        if step.verb == "switch":
            return switching.switch(step, context)
        if step.verb == "retire":
            return _retire(step, context)
        raise UsageError(f"dbt knows no step '{step.verb}'")

    def revert(
        self, step: Step, receipt: Receipt | None, context: StepContext, only: frozenset[str] | None = None
    ) -> Receipt:
        """Undo a step: candidates are dropped, or what was live before is live again."""
        if step.phase is Phase.STAGE:
            return staging.discard(receipt, step, context)
        if step.phase is Phase.SWITCH:
            return switching.undo(step, receipt, context, only)
        return Receipt(step.id, False)

    def disable(self, key: str, context: StepContext) -> Receipt:
        """dbt resources start no runs themselves: always ``UsageError``."""
        raise UsageError(
            f"{key} starts no runs, so there is nothing to disable", remedy="Disable the Airflow DAG that runs dbt."
        )

    def enable(self, key: str, context: StepContext) -> Receipt:
        """See ``disable``."""
        return self.disable(key, context)

    def observe(self, context: StepContext) -> dict[str, Any]:
        """Each live dbt resource: whether its relation is there, and which of its files were edited."""
        return switching.present(context)


def _retire(step: Step, context: StepContext) -> Receipt:
    retention = context.environment.retention
    context.fence()
    with access_to(context.environment, context.root).session() as session:
        dropped = session.retire(retention, f"switch/{context.deployment}")
    tree = project_tree.tree_of(context)
    views = tree.retire(tree.replaced(f"{context.deployment}/{planning.SWITCH}"), retention.total_seconds())
    return Receipt(step.id, bool(dropped or views), {"dropped": dropped, "views": list(views)})
