"""Which files Airflow takes for DAG files, by its own rules."""

import re

from interlock.catalog.sources import Sources, is_below
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity

IGNORE_FILE = ".airflowignore"


def dag_files(sources: Sources, folder: str, paths: list[str]) -> tuple[list[str], list[Finding]]:
    """Those of ``paths`` that Airflow would parse: Python, not ignored, and mentioning both "dag" and "airflow".

    Ignore files hold one regular expression a line (Airflow 2's default syntax), searched in paths relative to the DAG
    folder; an expression that does not compile is a finding, and Airflow skips it too.
    """
    rules, findings = _rules(sources, paths)
    found = []
    for path in paths:
        inner = path[len(folder) :].lstrip("/") if folder not in ("", ".") else path
        if path.endswith(".py") and not _ignored(path, inner, rules) and _mentions(sources.read(path)):
            found.append(path)
    return found, findings


def _mentions(source: bytes) -> bool:
    text = source.lower()
    return b"dag" in text and b"airflow" in text


def _rules(sources: Sources, paths: list[str]) -> tuple[list[tuple[str, re.Pattern[str]]], list[Finding]]:
    rules, findings = [], []
    for path in paths:
        if path.rpartition("/")[2] != IGNORE_FILE:
            continue
        lines = sources.read(path).decode("utf-8", "replace").splitlines()
        for number, line in enumerate(lines, 1):
            pattern = re.sub(r"\s*#.*", "", line).strip()
            if not pattern:
                continue
            try:
                rules.append((path.rpartition("/")[0], re.compile(pattern)))
            except re.error as error:
                findings.append(
                    Finding(
                        "ILK-AF009", Severity.WARNING, Place(path, number),
                        f"'{pattern}' is not a regular expression ({error}), so Airflow ignores nothing by it",
                        "Write it as a regular expression: .*_draft\\.py, not *_draft.py.",
                    )
                )  # fmt: skip
    return rules, findings


def _ignored(path: str, inner: str, rules: list[tuple[str, re.Pattern[str]]]) -> bool:
    # A folder that matches is not entered, so the path of every folder above the file counts too.
    parts = inner.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    return any(is_below(path, scope) and any(rule.search(one) for one in above) for scope, rule in rules)
