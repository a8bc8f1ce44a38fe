"""Rules about Terraform plans that were handed in: what they would do, and what they were made with."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from math import ceil
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Needs, Rule
from interlock.rules.rule_terraform_providers import lock_of
from interlock.rules.terraform_facts import LOCK_NAME, Folder, folders_of
from interlock.rules.terraform_places import Places
from interlock.rules.terraform_plan import plan_findings
from interlock.rules.terraform_plan_file import JudgedPlan, Plan
from interlock.rules.terraform_versions import BUILT_IN, address_of, allows, parts_of


def planned(inspection: Inspection) -> Iterator[Finding]:
    """ILK-TF030 to ILK-TF036. No sensitive value of a plan is shown."""
    folders, retention = folders_of(inspection), _retention(inspection)
    for judged in inspection.plans:
        places = Places(folders, judged.root, judged.plan.path)
        for finding in plan_findings(judged.plan.document, places.of, retention):
            yield _without_secrets(finding, judged.plan)
        yield from _refused(judged, places)
        if judged.root is not None:
            yield from _outdated(inspection, judged.plan, folders[judged.root])


def _retention(inspection: Inspection) -> dict[str, int]:
    """Days that the project wants, by what is kept."""
    if inspection.config is None:
        return {}
    wanted = inspection.config.terraform.retention
    told = {"backups": wanted.backups, "snapshots": wanted.backups, "logs": wanted.logs}
    return {what: ceil(least / timedelta(days=1)) for what, least in told.items() if least is not None}


def _without_secrets(finding: Finding, plan: Plan) -> Finding:
    hide = plan.without_secrets
    return replace(finding, summary=hide(finding.summary), remedy=hide(finding.remedy))


def _refused(judged: JudgedPlan, places: Places) -> Iterator[Finding]:
    for one in judged.verdicts:
        place = one.broken or places.of(one.address)
        remedy = one.remedy or "Change what the policy refuses."
        yield Finding("ILK-TF035", one.severity, place, one.summary, remedy, detail=one.detail)


def _outdated(inspection: Inspection, plan: Plan, root: Folder) -> Iterator[Finding]:
    """ILK-TF036: the plan was made from another state of this root module than the one that is checked."""
    where = root.path or "."
    again = f"Make the plan anew: terraform init && terraform plan in {where}."
    locked = lock_of(inspection, root.path)
    # Old configurations have a version in the provider's block too, and a plan shows both as one.
    mixed = {one[0] for _, one in root.all("provider") if one[3]}
    required = {one[0]: (path, one) for path, one in root.all("required") if one[0] not in mixed}
    for key, name, address, constraint in _providers(plan.document):
        path, told = required.get(name, (plan.path, None))
        place = Place(path, told[4], told[5]) if told else Place(plan.path)
        wanted = parts_of(told[3]) if told and told[3] else None
        if locked is not None and address != BUILT_IN and address not in locked:
            yield _drift(place, f"the plan uses the provider '{address}', which {LOCK_NAME} of '{where}' lacks", again)
        elif told and wanted and ":" not in key and parts_of(constraint) != wanted:
            was = f"'{constraint}'" if constraint else "any version"
            yield _drift(place, f"the plan was made when '{name}' could be {was}; now it is '{told[3]}'", again)
    version = plan.document.get("terraform_version")
    for path, (constraint, line, end) in root.all("core"):
        if isinstance(version, str) and allows(constraint, version) is False:
            told_by = f"the plan was made by Terraform {version}, and '{where}' requires '{constraint}'"
            yield _drift(Place(path, line, end), told_by, again)


def _providers(document: Any) -> Iterator[tuple[str, str, str, str]]:
    """[key, local name, address, constraint] of the providers in the configuration that a plan was made from."""
    configuration = document.get("configuration")
    providers = configuration.get("provider_config") if isinstance(configuration, dict) else None
    for key, one in providers.items() if isinstance(providers, dict) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str) and "alias" not in one:
            full, constraint = one.get("full_name"), one.get("version_constraint")
            address = address_of(one["name"], full if isinstance(full, str) else "")
            yield key, one["name"], address, constraint if isinstance(constraint, str) else ""


def _drift(place: Place, summary: str, remedy: str) -> Finding:
    return Finding("ILK-TF036", Severity.WARNING, place, summary, remedy)


def _rule(number: int, name: str, summary: str, severity: Severity = Severity.ERROR) -> Rule:
    return Rule(f"ILK-TF{number:03d}", name, summary, severity, Needs.PLAN)


FAMILY = Family(
    "terraform-plan",
    (
        _rule(30, "plan-destroys-store", "a plan destroys or replaces a store of data"),
        _rule(31, "plan-opens-store", "a plan opens a store of data to everybody"),
        _rule(32, "plan-grants-everything", "a plan grants everything on everything"),
        _rule(33, "plan-unencrypted-store", "a plan leaves a store of data unencrypted", Severity.WARNING),
        _rule(34, "plan-unguards-store", "a plan takes the guard or the backups of a store", Severity.WARNING),
        _rule(35, "plan-policy", "a policy of the project's own refuses a plan"),
        _rule(36, "plan-outdated", "a plan was made with other providers or another Terraform", Severity.WARNING),
    ),
    project_checks=(planned,),
)
