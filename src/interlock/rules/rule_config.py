"""Rules about interlock.yaml that need the catalog, or weigh less than an error of its own.

What is plainly wrong there (types, unknown keys, undeclared values) is refused when the file is loaded.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Needs, Rule

_FILE = "interlock.yaml"
_SECRET_NAME = re.compile(r"(?:^|_)(?:password|passwd|secret|token|api_?key|private_?key|credentials?)(?:_|$)", re.I)


def gates_for_nothing(inspection: Inspection) -> Iterator[Finding]:
    """ILK-CF001: thresholds that apply to nothing protect nothing. Not said while dbt cannot read its project."""
    reading, config = inspection.reading, inspection.config
    if reading is None or config is None or any(one.rule == "ILK-DB001" for one in reading.findings):
        return
    known = reading.catalog.by_key
    for key in config.gates:
        if key != "defaults" and key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.6)
            remedy = f"Name '{near[0]}'." if near else "Remove the entry, or name a resource that exists."
            yield Finding(
                "ILK-CF001",
                Severity.ERROR,
                Place(_FILE),
                f"gates are declared for '{key}', which does not exist",
                remedy,
            )


def secret_in_the_open(inspection: Inspection) -> Iterator[Finding]:
    """ILK-CF002: by its name a value is a secret, but its type lets it stand in the file. The value is never shown."""
    for name, declared in inspection.config.values.items() if inspection.config else ():
        if declared.type == "string" and _SECRET_NAME.search(name):
            yield Finding(
                "ILK-CF002", Severity.WARNING, Place(_FILE), f"the value '{name}' looks like a secret, but is a string",
                f"Declare it as {{type: secret}} and give each environment a reference such as env:{name.upper()}.",
            )  # fmt: skip


FAMILY = Family(
    "configuration",
    (
        Rule(
            "ILK-CF001",
            "gates-for-nothing",
            "gates are declared for a resource that does not exist",
            needs=Needs.CATALOG,
        ),
        Rule(
            "ILK-CF002",
            "secret-as-string",
            "a value looks like a secret and is declared as something else",
            Severity.WARNING,
            Needs.CATALOG,
        ),
    ),
    project_checks=(gates_for_nothing, secret_in_the_open),
)
