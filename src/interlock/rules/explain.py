"""Rules by the words that people have for them, and the pages that explain them."""

from difflib import get_close_matches
from pathlib import Path

from interlock.model.errors import UsageError
from interlock.rules.registry import RULES
from interlock.rules.rule import Rule

PAGES = Path(__file__).parent / "pages"


def find_rule(word: str) -> Rule:
    """The rule with this id or name, in capitals or not; ``UsageError`` naming the nearest id where there is none."""
    wanted = word.strip().casefold()
    known = {name.casefold(): rule for rule in RULES.values() for name in (rule.name, rule.id)}
    if wanted in known:
        return known[wanted]
    near = get_close_matches(wanted, known, n=1, cutoff=0.5)
    found = f"the nearest is {known[near[0]].id} ({known[near[0]].name}); " if near else ""
    raise UsageError(f"there is no rule {word!r}", remedy=f"{found}'interlock rules list' shows all of them")


def rules_about(word: str) -> list[Rule]:
    """Rules whose id, name or summary holds ``word``, by id; all for ""."""
    wanted = word.casefold()
    return [
        rule
        for _, rule in sorted(RULES.items())
        if wanted in f"{rule.id} {rule.name} {rule.summary}".casefold()
    ]  # fmt: skip


def page_of(rule: str) -> str:
    """The page of the rule with this id, as Markdown; "" where it has none."""
    path = PAGES / f"{rule}.md"
    return path.read_text("utf-8") if rule in RULES and path.is_file() else ""


def reason_of(page: str) -> str:
    """The part of a page that says why a rule matters: what stands below its title, up to the examples."""
    return page.partition("\n")[2].partition("\n## ")[0].strip()
