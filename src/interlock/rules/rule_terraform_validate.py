"""The rule about what ``terraform validate`` says: `rules.terraform_validate` asks it, once for each root module."""

from collections.abc import Iterable, Iterator

from interlock.model.findings import Finding, Severity
from interlock.rules.rule import Family, Needs, Rule
from interlock.rules.rule_terraform import FAMILY as TEXT

FAMILY = Family(
    "terraform-validate",
    (Rule("ILK-TF040", "terraform-validate", "terraform validate refuses a root module", needs=Needs.TERRAFORM),),
)
_ORDER = list(Severity)
_TEXT = frozenset(rule.id for rule in TEXT.rules)


def unrepeated(told: Iterable[Finding], found: Iterable[Finding]) -> Iterator[Finding]:
    """What tools told, without what a rule over text says of the same lines, no milder and in better words."""
    known: dict[str, list[Finding]] = {}
    for one in found:
        if one.rule in _TEXT:
            known.setdefault(one.place.path, []).append(one)
    for one in told:
        if not any(_covers(other, one) for other in known.get(one.place.path, ())):
            yield one


def _covers(other: Finding, one: Finding) -> bool:
    first, last = other.place.line, max(other.place.line, other.place.end_line)
    near = first <= max(one.place.line, one.place.end_line) and one.place.line <= last
    return near and _ORDER.index(other.severity) <= _ORDER.index(one.severity)
