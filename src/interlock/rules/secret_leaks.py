"""What gitleaks finds besides our own detectors, in our own words: the same rules, one finding for a line."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from interlock.model.errors import UnreachableError
from interlock.model.findings import Finding, Severity
from interlock.rules.files import LARGEST_BYTES, SourceFile
from interlock.rules.gitleaks_tool import Leak, Settings, gitleaks, identity, leaks, settings_of
from interlock.rules.inspection import Inspection
from interlock.rules.rule import matches
from interlock.rules.rule_secrets import PATTERNS, is_encrypted, secrets
from interlock.rules.surroundings import weighed

_GENERIC = "ILK-SE008"
_RULES = {
    "alibaba-access-key-id": "ILK-SE001", "alibaba-secret-key": "ILK-SE001", "aws-access-token": "ILK-SE001",
    "private-key": "ILK-SE003", "pkcs12-file": "ILK-SE003", "age-secret-key": "ILK-SE003",
    "jwt": "ILK-SE004", "jwt-base64": "ILK-SE004",
    "curl-auth-header": _GENERIC, "curl-auth-user": _GENERIC, "generic-api-key": _GENERIC,
    "hashicorp-tf-password": _GENERIC, "kubernetes-secret-yaml": _GENERIC, "nuget-config-password": _GENERIC,
}  # fmt: skip
_OTHER = "ILK-SE002"
# Formats with a mark of their own, for which we have no detector. Of those that we have, ours has the last word; what
# gitleaks tells by a name beside random text may be anything.
_CERTAIN = frozenset(
    {
        "1password-service-account-token", "adobe-client-secret", "age-secret-key", "clickhouse-cloud-api-secret-key",
        "clojars-api-token", "doppler-api-token", "duffel-api-token", "dynatrace-api-token", "flyio-access-token",
        "frameio-api-token", "harness-api-key", "heroku-api-key-v2", "infracost-api-token", "linear-api-key",
        "microsoft-teams-webhook", "notion-api-token", "octopus-deploy-api-key", "planetscale-api-token",
        "planetscale-oauth-token", "planetscale-password", "postman-api-token", "prefect-api-token", "pulumi-api-token",
        "readme-api-token", "rubygems-api-token", "sendinblue-api-token", "sentry-org-token", "sentry-user-token",
        "shippo-api-token", "shopify-access-token", "shopify-custom-access-token", "shopify-private-app-access-token",
        "shopify-shared-secret", "typeform-api-token",
    }
)  # fmt: skip


def leaked(
    inspection: Inspection, digests: Mapping[str, str], text: Callable[[str], SourceFile], *, history: bool = False
) -> Iterator[tuple[str, Finding]]:
    """Findings that our own detectors do not have on the same line, with the name of the text that they are in.

    ``digests``: of each text by its name, of which ``text`` makes the file. Nothing where there is no gitleaks; where
    it fails, the inspection says what was not checked.
    """
    program = gitleaks()
    failed: list[str] = inspection.once("gitleaks failed", list)
    if program is None or not digests or failed:
        return
    if inspection.base is not None:
        inspection.base.once("gitleaks failed", lambda: failed)
    settings = settings_of(lambda path: inspection.read(path) if inspection.exists(path) else None)
    settings = settings.for_history() if history else settings
    common = f"{identity(program)} {settings.digest}"
    try:
        found = inspection.kept(
            "gitleaks-history" if history else "gitleaks",
            {name: f"{digest} {common}" for name, digest in digests.items()},
            lambda names: _looked(program, {name: text(name) for name in names}, settings),
        )
    except UnreachableError as error:
        failed.append(error.summary)
        inspection.miss("secrets that gitleaks would find", error.summary)
        return
    for name, told in found.items():
        file = text(name) if told else None
        if file is not None and not is_encrypted(file):
            ours = secrets(file) if history or matches(file.path, PATTERNS) else ()
            lines = {one.place.line for one in ours}
            yield from ((name, one) for one in _findings(file, [Leak(*one) for one in told], settings, lines))


def _looked(program: Path, files: Mapping[str, SourceFile], settings: Settings) -> dict[str, list[list[Any]]]:
    """Leaks as JSON by name. Texts of one path are looked at one after another: paths decide what settings allow."""
    found: dict[str, list[list[Any]]] = {name: [] for name in files}
    left = list(files)
    while left:
        names = _apart({files[name].path: name for name in reversed(left)})
        texts = {path: source for path, name in names.items() if len(source := files[name].source) <= LARGEST_BYTES}
        for path, told in leaks(program, texts, settings).items():
            found[names[path]] = [[one.rule, one.line, one.end_line] for one in told]
        left = [name for name in left if names.get(files[name].path) != name]
    return found


def _apart(names: dict[str, str]) -> dict[str, str]:
    """Without files that lie where others have a folder: a branch can have had both."""
    folders = {str(folder) for path in names for folder in PurePosixPath(path).parents}
    return {path: name for path, name in names.items() if path not in folders}


def _findings(file: SourceFile, told: Iterable[Leak], settings: Settings, ours: set[int]) -> Iterator[Finding]:
    by_line: dict[int, Leak] = {}
    # What says more of one line comes first: a rule of the project, then one for a service.
    for one in sorted(told, key=lambda leak: (leak.rule not in settings.own_rules, rule_of(leak.rule) == _GENERIC)):
        if ours.isdisjoint(range(one.line, one.end_line + 1)):
            by_line.setdefault(one.line, one)
    for one in by_line.values():
        certain = one.rule in _CERTAIN or one.rule in settings.own_rules
        verb = "holds" if certain else "seems to hold"
        yield file.finding(
            rule_of(one.rule), one.line,
            f"the file {verb} what gitleaks' rule '{one.rule[:60]}' takes for a secret",
            "Revoke it; read it at run time from an Airflow connection, a secret store, or an environment variable.",
            severity=weighed(Severity.ERROR if certain else Severity.WARNING, file.path), end_line=one.end_line,
        )  # fmt: skip


def rule_of(rule: str) -> str:
    """Our rule for one of gitleaks'."""
    return _RULES.get(rule, _OTHER)
