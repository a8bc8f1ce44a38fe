"""Secrets that a commit of this branch held and the work tree holds no more: whoever gets the branch gets them."""

from collections.abc import Iterator

from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Needs, Rule
from interlock.rules.rule_secrets import secrets


def passed_secrets(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SE009: by what the rules about secrets in files say of earlier contents."""
    for path, contents in inspection.passing.items():
        now = {one.summary for one in secrets(inspection.file(path))} if inspection.exists(path) else set()
        told = set(now)
        for content in contents:
            for finding in secrets(SourceFile(path, content, inspection.layout)):
                if finding.severity is Severity.ERROR and finding.summary not in told:
                    told.add(finding.summary)
                    yield SourceFile(path, content, inspection.layout).finding(
                        "ILK-SE009", 0, f"an earlier commit of this branch had this here: {finding.summary}",
                        "Revoke it. Then take it out of the branch: git rebase -i, or squash before it is pushed.",
                    )  # fmt: skip


FAMILY = Family(
    "secrets in history",
    (Rule("ILK-SE009", "secret-in-history", "a commit of this branch held a secret", needs=Needs.HISTORY),),
    project_checks=(passed_secrets,),
)
