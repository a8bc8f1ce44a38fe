"""Every family of rules: the ``FAMILY`` of each ``rule_*.py`` in this folder, by file name."""

import importlib
from pathlib import Path

from interlock.rules.rule import Family, Rule

FAMILIES: tuple[Family, ...] = tuple(
    importlib.import_module(f"interlock.rules.{path.stem}").FAMILY
    for path in sorted(Path(__file__).parent.glob("rule_*.py"))
)

RULES: dict[str, Rule] = {rule.id: rule for family in FAMILIES for rule in family.rules}
