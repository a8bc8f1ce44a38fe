"""What Terraform itself says of a project's root modules."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from posixpath import dirname
from typing import Any

from interlock.catalog.sources import Sources
from interlock.catalog.store import ReadingCache
from interlock.catalog.terraform_state import Around
from interlock.config import TerraformSection
from interlock.model.findings import Finding, NotChecked
from interlock.rules.examine import Examined
from interlock.rules.rule_terraform_providers import LOCK_FACTS
from interlock.rules.terraform_facts import FACTS, folders_from
from interlock.rules.terraform_roots import roots_of, stack_of
from interlock.rules.terraform_validate import validate_stacks


@dataclass(frozen=True)
class Infrastructure:
    """``modules``: the folders that each root module consists of, by the resource that findings about it name.

    ``fresh``: Terraform was asked. ``around``: what was around the root modules then.
    """

    findings: tuple[Finding, ...] = ()
    not_checked: tuple[NotChecked, ...] = ()
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fresh: bool = False
    around: Around | None = None


NOTHING = Infrastructure()


@dataclass(frozen=True)
class Asking:
    """What is asked about: a project's files, and what rules took from them."""

    sources: Sources
    examined: Mapping[str, Examined]
    section: TerraformSection

    def facts(self, name: str) -> dict[str, Any]:
        """Facts of one kind, by path."""
        return {path: one.facts[name] for path, one in self.examined.items() if name in one.facts}


def ask_about(asking: Asking, cache: ReadingCache, say: Callable[[str], None]) -> Infrastructure:
    """What it says. Raises ``ConfigError`` where terraform.roots names what is no module."""
    folders = folders_from(asking.facts(FACTS))
    roots = roots_of(folders, map(dirname, asking.facts(LOCK_FACTS)), asking.section.roots)
    if not roots:
        return NOTHING
    project = asking.sources.root
    stacks = [stack_of(asking.sources, root, folders) for root in roots]
    around = Around.of(project, roots, reads=any(one.reads_files for one in stacks))
    validated = validate_stacks(project, stacks, cache, asking.section.timeout.total_seconds(), say)
    return Infrastructure(
        validated.findings, validated.not_checked, {one.key: one.folders for one in stacks},
        validated.fresh, around,
    )  # fmt: skip
