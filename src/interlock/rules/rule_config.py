"""Rules about interlock.yaml that need the catalog, or weigh less than an error of its own.

What is plainly wrong there (types, unknown keys, undeclared values) is refused when the file is loaded.

========= ======== ==================================================================================================
ILK-CF001 error    gates are declared for a resource that does not exist
ILK-CF002 warning  a value looks like a secret and is declared as something else
========= ======== ==================================================================================================
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from interlock.catalog.reading import ProjectReading
from interlock.config import ProjectConfig
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity

_FILE = "interlock.yaml"
_SECRET_NAME = re.compile(r"(?:^|_)(?:password|passwd|secret|token|api_?key|private_?key|credentials?)(?:_|$)", re.I)


def gates_for_nothing(reading: ProjectReading, config: ProjectConfig) -> Iterator[Finding]:
    """ILK-CF001: thresholds that apply to nothing protect nothing. Not said while dbt cannot read its project."""
    if any(one.rule == "ILK-DB001" for one in reading.findings):
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


def secret_in_the_open(_: ProjectReading, config: ProjectConfig) -> Iterator[Finding]:
    """ILK-CF002: by its name a value is a secret, but its type lets it stand in the file. The value is never shown."""
    for name, declared in config.values.items():
        if declared.type == "string" and _SECRET_NAME.search(name):
            yield Finding(
                "ILK-CF002", Severity.WARNING, Place(_FILE), f"the value '{name}' looks like a secret, but is a string",
                f"Declare it as {{type: secret}} and give each environment a reference such as env:{name.upper()}.",
            )  # fmt: skip
