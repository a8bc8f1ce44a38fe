"""Rules about the dbt project as dbt itself parsed it."""

from collections.abc import Iterator

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.model.resources import Kind
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Needs, Rule


def replaces_without_key(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DB002: without ``unique_key``, ``merge`` and ``delete+insert`` only append, so each run doubles rows."""
    for model in inspection.reading.catalog.resources if inspection.reading else ():
        if model.kind is not Kind.MODEL or model.settings.get("materialized") != "incremental":
            continue
        strategy = model.settings.get("incremental_strategy")
        if strategy in ("merge", "delete+insert") and not model.settings.get("unique_key"):
            yield Finding(
                "ILK-DB002", Severity.WARNING, Place(model.path, model.line),
                f"the strategy '{strategy}' has no unique_key, so rows that come again are kept twice",
                "Set unique_key in the model's config, or choose incremental_strategy='append'.", model.key,
            )  # fmt: skip


FAMILY = Family(
    "dbt",
    (
        Rule("ILK-DB001", "dbt-parse", "dbt cannot read its project", needs=Needs.MANIFEST),
        Rule(
            "ILK-DB002",
            "incremental-without-key",
            "an incremental model that replaces rows has no key",
            Severity.WARNING,
            Needs.MANIFEST,
        ),
    ),
    project_checks=(replaces_without_key,),
)
