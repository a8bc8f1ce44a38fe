"""The known formats of secrets, as a table: one line makes a new one known."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from interlock.model.findings import Severity
from interlock.rules.secret_values import PUBLIC, entropy, is_placeholder

_HEX = re.compile(r"[0-9a-f\-]+", re.I)


@dataclass(frozen=True)
class Detector:
    """``keyword`` stands in every text that ``pattern`` matches: it is looked for first. The group ``value`` is secret.

    ``least`` is the entropy that the value must have, in bits for each character; 0 leaves it to its kind.
    """

    kind: str
    keyword: str
    pattern: re.Pattern[str]
    rule: str = "ILK-SE002"
    severity: Severity = Severity.ERROR
    least: float = 0.0


def _known(kind: str, keyword: str, pattern: str, severity: Severity = Severity.ERROR) -> Detector:
    # Neither part of a longer word before nor after: base64 data holds any short text by chance.
    return Detector(
        kind, keyword, re.compile(rf"(?<![A-Za-z0-9_+\-])(?P<value>{pattern})(?![A-Za-z0-9_/+])"), "ILK-SE002", severity
    )


def _cloud(kind: str, keyword: str, pattern: str, severity: Severity = Severity.ERROR) -> Detector:
    return Detector(kind, keyword, re.compile(pattern), "ILK-SE001", severity, 4.0)


_AWS_SECRET = (
    r"(?i:aws[a-z_\-.]{0,20}secret[a-z_\-.]{0,20}key|(?<![a-z])secret_?access_?key|fs\.s3a\.secret\.key)"
    r"[\"']?\]?\s{0,8}(?:=>?|:|,)\s{0,8}[\"']?(?P<value>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
)

DETECTORS = (
    _cloud("the secret key of an AWS account", "ecret", _AWS_SECRET),
    _cloud(
        "the secret key of an AWS account", "AKIA",
        r"(?<![A-Z0-9])AKIA[0-9A-Z]{16}(?![0-9A-Za-z])(?:[^\n]{0,20}\n[^\n]{0,60}?|[^\n]{0,40}?)"
        r"(?<![A-Za-z0-9/+=.\-_])(?P<value>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=.\-_])",
    ),
    _cloud("the key of an Azure storage account", "AccountKey=", r"AccountKey=(?P<value>[A-Za-z0-9+/]{86}==)"),
    _cloud("the key of an Azure service", "SharedAccessKey=", r"SharedAccessKey=(?P<value>[A-Za-z0-9+/]{43}=)"),
    _cloud(
        "a shared access signature of Azure", "sig=", r"[?&]s[vprte]=[^\s\"'<>?]{1,300}?&sig=(?P<value>"
        r"[A-Za-z0-9%/+]{40,120}(?:=|%3[Dd]))", Severity.WARNING,
    ),
    _known("the secret of an Azure application", "Q~", r"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.\-]{31,34}"),
    _known("a GitHub token", "gh", r"gh[pousr]_[A-Za-z0-9]{36}"),
    _known("a GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    _known("a GitLab token", "glpat-", r"glpat-[A-Za-z0-9_\-]{20}"),
    _known("a Slack token", "xox", r"xox[abprs]-\d{9,14}-(?:\d{9,14}-){0,2}[A-Za-z0-9]{24,64}"),
    _known(
        "a Slack webhook", "hooks.slack.com", r"https://hooks\.slack\.com/services/T[A-Z0-9]{8,11}/B[A-Z0-9]{8,11}/"
        r"[A-Za-z0-9]{24}",
    ),
    _known("a live key of Stripe", "k_live_", r"[sr]k_live_[A-Za-z0-9]{24,120}"),
    _known("a SendGrid key", "SG.", r"SG\.[A-Za-z0-9_\-]{22}\.[A-Za-z0-9_\-]{43}"),
    _known("an npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _known("a PyPI token", "pypi-AgE", r"pypi-AgE[A-Za-z0-9_\-]{50,250}"),
    _known("a Databricks token", "dapi", r"dapi[0-9a-f]{32}(?:-\d)?"),
    _known("a Snowflake session token", "ver:", r"ver:\d-hint:\d{5,20}-ETMsD[A-Za-z0-9+/=]{60,600}"),
    _known("a dbt Cloud token", "dbt", r"dbt[cu]_[A-Za-z0-9_\-]{32,80}"),
    _known("an OpenAI key", "T3BlbkFJ", r"sk-(?:[a-z]{4,8}-)?[A-Za-z0-9_\-]{20,90}T3BlbkFJ[A-Za-z0-9_\-]{20,90}"),
    _known("an Anthropic key", "sk-ant-", r"sk-ant-[a-z]{3,5}\d\d-[A-Za-z0-9_\-]{80,110}"),
    _known("a Hugging Face token", "hf_", r"hf_[A-Za-z]{34}"),
    _known("a Terraform Cloud token", ".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=\-]{60,70}"),
    _known("a Vault token", "hvs.", r"hvs\.[A-Za-z0-9_\-]{90,120}"),
    _known("a DigitalOcean token", "dop_v1_", r"dop_v1_[0-9a-f]{64}"),
    _known("a Grafana token", "glsa_", r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}"),
    # Keys of Firebase are of this form too, and meant for everyone's browser.
    _known("a Google API key", "AIza", r"AIza[A-Za-z0-9_\-]{35}", Severity.WARNING),
    Detector(
        "an auth token of Twilio", "wilio", re.compile(
            r"(?i:twilio[a-z_\-.]{0,12}(?:auth_?token|secret))[\"']?\]?\s{0,8}(?:=>?|:)\s{0,8}[\"']?"
            r"(?P<value>[0-9a-f]{32})(?![0-9a-zA-Z])"), least=3.0,
    ),
)  # fmt: skip


def known_secrets(text: str) -> Iterator[tuple[Detector, int, str]]:
    """Every value in a known format: its detector, where it starts, and the value itself."""
    seen: set[int] = set()
    for detector in DETECTORS:
        if detector.keyword not in text:
            continue
        for match in detector.pattern.finditer(text):
            value, start = match["value"], match.start("value")
            if start not in seen and _is_live(value, detector.least):
                seen.add(start)
                yield detector, start, value


def _is_live(value: str, least: float) -> bool:
    if value in PUBLIC:
        return False
    body = value.partition("services/")[2] or value
    needed = least or (2.8 if _HEX.fullmatch(body[4:]) else 3.5)
    return entropy(body) >= needed and not is_placeholder(body)
