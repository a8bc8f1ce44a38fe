"""Rules about a Terraform plan: `plan_findings` and `rego_findings` of `terraform_plan` answer them, given its JSON."""

from interlock.model.findings import Severity
from interlock.rules.rule import Family, Needs, Rule


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
    ),
)
