"""Secrets in the tree that gitleaks finds, where it is installed: under the rules of our own detectors."""

import re
from collections.abc import Iterator
from fnmatch import translate

from interlock.model.findings import Finding
from interlock.rules.gitleaks_tool import gitleaks
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family
from interlock.rules.rule_secrets import PATTERNS
from interlock.rules.secret_leaks import leaked
from interlock.rules.surroundings import is_foreign

# Texts in which nothing of ours looks for secrets.
_FURTHER = (
    "*.js", "*.jsx", "*.ts", "*.tsx", "*.go", "*.rb", "*.php", "*.pl", "*.kt", "*.groovy", "*.gradle", "*.cs", "*.ps1",
    "*.bat", "*.hcl", "*.tpl", "*.tmpl", "*.j2", "*.jinja", "*.html", "*.zsh", "*.lua", "*.sbt", "Jenkinsfile*",
    "Procfile",
)  # fmt: skip
_MEANT = re.compile("|".join(translate(pattern) for pattern in (*PATTERNS, *_FURTHER)))


def leaks_in_tree(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SE001 to ILK-SE004, and ILK-SE008."""
    if gitleaks() is None:
        return
    meant = [path for path in inspection.paths if _MEANT.match(path.rpartition("/")[2]) and not is_foreign(path)]
    for _, finding in leaked(inspection, {path: inspection.digest(path) for path in meant}, inspection.file):
        yield finding


FAMILY = Family("secrets that gitleaks finds", (), project_checks=(leaks_in_tree,))
