"""Secrets that stand in a file. Findings show their kind, the name and at most four characters: never the value."""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterator

from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.rule import Family, FileCheck, Rule
from interlock.rules.secret_assignments import assigned_secrets
from interlock.rules.secret_contexts import (
    Hit,
    assigned_name,
    fernet_keys,
    private_keys,
    profile_passwords,
    url_passwords,
    web_tokens,
)
from interlock.rules.secret_detectors import known_secrets
from interlock.rules.surroundings import is_foreign, weighed

PATTERNS = (
    "*.py", "*.sql", "*.y*ml", "*.json", "*.toml", "*.cfg", "*.ini", "*.env", ".env*", "*.tf", "*.tfvars", "*.sh",
    "*.md", "*.txt", "Dockerfile*", "*.properties", "*.conf", "*.xml", "*.ipynb", "*.pem", "*.key", "*.scala",
    "*.java", "*.r", "*.R", "*.bash", "Makefile", "*.rst", "*.tfstate", "*.pypirc", ".npmrc", ".netrc",
)  # fmt: skip
_ENCRYPTED = ("$ANSIBLE_VAULT;", "kind: SealedSecret")
_SHOWN_ONCE_KNOWN = frozenset({"ILK-SE001", "ILK-SE002"})
_MOST = 50
_MORE = "The file holds it {} times."
_READABLE = "Whoever can read the repository can use it, and so can who finds an old clone."


def secrets(file: SourceFile) -> Iterator[Finding]:
    """ILK-SE001 to ILK-SE008."""
    if is_foreign(file.path) or is_encrypted(file):
        return
    told: list[tuple[int, int]] = []
    same: dict[tuple[str, str], list[Hit]] = {}
    for hit in _hits(file):
        end = hit.start + len(hit.value)
        if any(first < end and hit.start < last for first, last in told):
            continue
        told.append((hit.start, end))
        same.setdefault((hit.rule, hit.value), []).append(hit)
        if len(told) >= _MOST:
            break
    starts = _line_starts(file.text) if same else []
    for hits in same.values():
        first = min(hits, key=lambda hit: hit.start)
        yield _finding(file, first, bisect_right(starts, first.start), len(hits))


def is_encrypted(file: SourceFile) -> bool:
    """Whether the file says itself that nobody can read its secrets."""
    return any(mark in file.text for mark in _ENCRYPTED)


def _hits(file: SourceFile) -> Iterator[Hit]:
    """What is most certain first: what another one finds at the same place says no more."""
    for detector, start, value in known_secrets(file.text):
        yield Hit(detector.rule, detector.kind, detector.severity, start, value)
    yield from private_keys(file.text)
    yield from fernet_keys(file.text, file.path)
    yield from profile_passwords(file)
    yield from url_passwords(file.text)
    yield from web_tokens(file.text)
    yield from assigned_secrets(file)


def _line_starts(text: str) -> list[int]:
    starts, at = [0], text.find("\n")
    while at >= 0:
        starts.append(at + 1)
        at = text.find("\n", at + 1)
    return starts


def _finding(file: SourceFile, hit: Hit, line: int, count: int) -> Finding:
    name = hit.name or assigned_name(file.text, hit.start, hit.value)
    shown = f"{hit.value[:4]}…" if hit.rule in _SHOWN_ONCE_KNOWN and hit.value[:4].isascii() else "…"
    where = f" in '{name}'" if name else ""
    if hit.rule == "ILK-SE003" or hit.kind.endswith("service account"):
        shown = "…"
    certain = hit.severity is Severity.ERROR
    verb = "holds" if certain else "seems to hold"
    cause = f"secret:{hashlib.sha256(hit.value.encode()).hexdigest()[:12]}" if hit.rule in _SHOWN_ONCE_KNOWN else ""
    variable = re.sub(r"\W+", "_", name.rpartition(".")[2]).strip("_").upper()
    reference = f"os.environ['{variable}']" if variable else "an environment variable"
    return file.finding(
        hit.rule, line, f"the file {verb} {hit.kind}{where} ({shown})",
        f"Revoke it; read it at run time from an Airflow connection, a secret store, or {reference}.",
        severity=weighed(hit.severity, file.path), cause=cause,
        detail=_MORE.format(count) if count > 1 else "" if certain else _READABLE,
    )  # fmt: skip


FAMILY = Family(
    "secrets",
    (
        Rule("ILK-SE001", "cloud-key-in-file", "the key of a cloud account stands in a file"),
        Rule("ILK-SE002", "token-in-file", "a token of a known service stands in a file"),
        Rule("ILK-SE003", "private-key-in-file", "a private key stands in a file"),
        Rule("ILK-SE004", "web-token-in-file", "a JSON web token stands in a file", Severity.WARNING),
        Rule("ILK-SE005", "password-in-url", "a URL holds the password of a database"),
        Rule("ILK-SE006", "password-in-profile", "a dbt profile holds a literal password"),
        Rule("ILK-SE007", "fernet-key-in-file", "the key that encrypts Airflow's connections stands in a file"),
        Rule("ILK-SE008", "secret-assigned", "a random literal is assigned to a secret's name", Severity.WARNING),
    ),
    file_checks=(FileCheck(PATTERNS, secrets),),
)
