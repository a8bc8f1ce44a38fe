"""Secrets that a commit of this branch held and the work tree holds no more: whoever gets the branch gets them."""

from collections.abc import Iterator

from interlock.model.canonical import digest_bytes
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Needs, Rule
from interlock.rules.rule_secrets import secrets
from interlock.rules.secret_leaks import leaked
from interlock.rules.surroundings import is_foreign


def passed_secrets(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SE009: by what the rules about secrets in files say of earlier contents."""
    for path, contents in inspection.passing.items():
        now = {one.summary for one in secrets(inspection.file(path))} if inspection.exists(path) else set()
        told = set(now)
        for content in contents:
            for finding in secrets(SourceFile(path, content, inspection.layout)):
                if finding.severity is Severity.ERROR and finding.summary not in told:
                    told.add(finding.summary)
                    yield _passed(path, finding)


def passed_leaks(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SE009: by what gitleaks says of earlier contents and not of what is there now."""
    texts: dict[str, SourceFile] = {}
    for path, contents in inspection.passing.items():
        if inspection.exists(path):
            texts[f"{path} now"] = inspection.file(path)
        texts |= {f"{path} {digest_bytes(one)}": SourceFile(path, one, inspection.layout) for one in contents}
    digests = {name: digest_bytes(file.source) for name, file in texts.items() if not is_foreign(file.path)}
    found = list(leaked(inspection, digests, texts.__getitem__, history=True))
    told = {(one.place.path, one.summary) for name, one in found if name.endswith(" now")}
    for _, finding in found:
        key = (finding.place.path, finding.summary)
        if finding.severity is Severity.ERROR and key not in told:
            told.add(key)
            yield _passed(finding.place.path, finding)


def _passed(path: str, finding: Finding) -> Finding:
    return Finding(
        "ILK-SE009", Severity.ERROR, Place(path),
        f"an earlier commit of this branch had this here: {finding.summary}",
        "Revoke it. Then take it out of the branch: git rebase -i, or squash before it is pushed.",
    )  # fmt: skip


FAMILY = Family(
    "secrets in history",
    (Rule("ILK-SE009", "secret-in-history", "a commit of this branch held a secret", needs=Needs.HISTORY),),
    project_checks=(passed_secrets, passed_leaks),
)
