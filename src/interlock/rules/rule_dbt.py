"""Rules about dbt.

========= ======== ==================================================================================================
ILK-DB001 error    dbt cannot read its project (reader)
ILK-DB002 warning  an incremental model that replaces rows has no key to find them by
========= ======== ==================================================================================================
"""

from collections.abc import Iterator

from interlock.catalog.reading import ProjectReading
from interlock.config import ProjectConfig
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.model.resources import Kind


def replaces_without_key(reading: ProjectReading, _: ProjectConfig) -> Iterator[Finding]:
    """ILK-DB002: without ``unique_key``, ``merge`` and ``delete+insert`` only append, so each run doubles rows."""
    for model in reading.catalog.resources:
        if model.kind is not Kind.MODEL or model.settings.get("materialized") != "incremental":
            continue
        strategy = model.settings.get("incremental_strategy")
        if strategy in ("merge", "delete+insert") and not model.settings.get("unique_key"):
            yield Finding(
                "ILK-DB002", Severity.WARNING, Place(model.path, model.line),
                f"the strategy '{strategy}' has no unique_key, so rows that come again are kept twice",
                "Set unique_key in the model's config, or choose incremental_strategy='append'.", model.key,
            )  # fmt: skip
