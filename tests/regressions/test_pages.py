"""Every rule has a page, and what the page calls bad and good is so."""

import re
from pathlib import Path

import pytest

from interlock.rules import registry
from interlock.rules.rule import Needs
from tests.regressions.case import check_files

PAGES = Path(registry.__file__).parent / "pages"
STATIC = [rule for rule in registry.RULES.values() if rule.needs in (Needs.SOURCE, Needs.BASE)]
_BLOCK = re.compile(r"`([^`\n]+)`(?: \(base\))?:\n+```\w*\n(.*?)```", re.DOTALL)


def files_in(text: str, section: str) -> tuple[dict[str, bytes], dict[str, bytes] | None]:
    """The files of one section of a page, and those of the base commit where it shows some."""
    part = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    files, base = {}, {}
    for match in _BLOCK.finditer(part):
        (base if "(base)" in match[0].splitlines()[0] else files)[match[1]] = match[2].encode()
    return files, ({**files, **base} if base else None)


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == registry.RULES.keys()


@pytest.mark.parametrize("rule", registry.RULES.values(), ids=lambda rule: rule.id)
def test_page_has_its_parts(rule) -> None:
    text = (PAGES / f"{rule.id}.md").read_text("utf-8")
    assert text.startswith(f"# {rule.id}: {rule.name}\n")
    assert "\n## Bad\n" in text and "\n## Good\n" in text


@pytest.mark.parametrize("rule", STATIC, ids=lambda rule: rule.id)
def test_page_examples_are_true(rule) -> None:
    text = (PAGES / f"{rule.id}.md").read_text("utf-8")
    for section, expected in (("Bad", True), ("Good", False)):
        files, base = files_in(text, section)
        assert files, f"no file under '{section}'"
        found = [one.rule for one in check_files(files, base)]
        assert (rule.id in found) is expected, (section, found)
