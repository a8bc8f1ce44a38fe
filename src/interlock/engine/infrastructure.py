"""What Terraform itself says of a project's root modules, and what the project's policies say of plans."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from posixpath import dirname
from typing import Any

from interlock.catalog.sources import Sources
from interlock.catalog.store import ReadingCache
from interlock.catalog.terraform_state import Around
from interlock.config import TerraformSection
from interlock.model.findings import Finding, NotChecked
from interlock.rules.examine import Examined
from interlock.rules.registry import RULES
from interlock.rules.rule import Needs
from interlock.rules.rule_terraform_providers import LOCK_FACTS
from interlock.rules.terraform_facts import FACTS, Folder, folders_from
from interlock.rules.terraform_plan_file import JudgedPlan, Plan
from interlock.rules.terraform_policies import Policies, policies_of
from interlock.rules.terraform_roots import root_of_plan, roots_of, stack_of
from interlock.rules.terraform_validate import validate_stacks

_HOW = "terraform plan -out=tf.plan && terraform show -json tf.plan > plan.json, then --terraform-plan plan.json"


@dataclass(frozen=True)
class Infrastructure:
    """``modules``: the folders that each root module consists of, by the resource that findings about it name.

    ``fresh``: Terraform was asked. ``around``: what was around the root modules then.
    """

    plans: tuple[JudgedPlan, ...] = ()
    findings: tuple[Finding, ...] = ()
    not_checked: tuple[NotChecked, ...] = ()
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fresh: bool = False
    around: Around | None = None


NOTHING = Infrastructure()


@dataclass(frozen=True)
class Asking:
    """What is asked about: a project's files, what rules took from them, and plans that were handed in."""

    sources: Sources
    paths: Sequence[str]
    examined: Mapping[str, Examined]
    section: TerraformSection
    plans: Sequence[Plan]

    def facts(self, name: str) -> dict[str, Any]:
        """Facts of one kind, by path."""
        return {path: one.facts[name] for path, one in self.examined.items() if name in one.facts}


def ask_about(asking: Asking, cache: ReadingCache, say: Callable[[str], None], *, static: bool) -> Infrastructure:
    """What they say. ``static``: neither Terraform nor a policy is run.

    Raises ``ConfigError`` where terraform.roots names what is no module.
    """
    folders = folders_from(asking.facts(FACTS))
    roots = roots_of(folders, map(dirname, asking.facts(LOCK_FACTS)), asking.section.roots)
    plans, not_checked = _judged(asking, folders, roots, static=static)
    if static or not roots:
        return Infrastructure(plans, not_checked=not_checked)
    project = asking.sources.root
    stacks = [stack_of(asking.sources, root, folders) for root in roots]
    around = Around.of(project, roots, reads=any(one.reads_files for one in stacks))
    validated = validate_stacks(project, stacks, cache, asking.section.timeout.total_seconds(), say)
    return Infrastructure(
        plans, validated.findings, (*validated.not_checked, *not_checked),
        {one.key: one.folders for one in stacks}, validated.fresh, around,
    )  # fmt: skip


def _judged(
    asking: Asking, folders: Mapping[str, Folder], roots: Sequence[str], *, static: bool
) -> tuple[tuple[JudgedPlan, ...], tuple[NotChecked, ...]]:
    section = asking.section
    paths = policies_of(asking.paths, section.policies)
    policies = Policies(asking.sources.root, paths, asking.sources.read, section.timeout.total_seconds())
    unknown = [] if static or not asking.plans else list(policies.idle())
    if "policies" in section.model_fields_set:
        unmatched = (one for one in section.policies if not policies_of(asking.paths, (one,)))
        unknown += [NotChecked(pattern, "no policy matches this pattern") for pattern in unmatched]
    if asking.plans and static and paths:
        unknown.append(NotChecked(f"what policies ({len(paths)}) say of the plans", "a static check runs no policy"))
    if roots and not asking.plans:
        count = sum(rule.needs is Needs.PLAN for rule in RULES.values())
        also = f", and policies ({len(paths)})" if paths else ""
        unknown.append(NotChecked(f"{count} rules about Terraform plans{also}", f"no plan was handed in: {_HOW}"))
    judged = []
    for plan in asking.plans:
        root = root_of_plan(plan.document, folders, roots)
        if plan.unfinished:
            unknown.append(NotChecked(f"all of the plan {plan.path}", plan.unfinished))
        if root is None and roots:
            why = "which root module it was made from is not known: name one alone in terraform.roots of interlock.yaml"
            unknown.append(NotChecked(f"places and providers of the plan {plan.path}", why))
        judged.append(JudgedPlan(plan, root, () if static else policies.judge(plan)))
    return tuple(judged), tuple(unknown)
