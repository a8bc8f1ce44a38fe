"""The last look at every finding: whatever it quotes, no secret is shown.

A rule that quotes a line, and an engine's message about one, may quote what stands there.
"""

import re
from dataclasses import replace

from interlock.model.findings import Finding
from interlock.rules.secret_contexts import private_keys, url_passwords, web_tokens
from interlock.rules.secret_detectors import known_secrets

_MASK = "…"
_ASSIGNED = re.compile(
    r"(?i)((?:pass(?:word|wd|phrase)?|secret(?:_?key)?|token|api_?key|private_?key|access_?key)[\"']?\s{0,3}(?:=>?|:)\s{0,3})"
    r"([\"']?)([^\s\"',;)}\]]{6,})"
)
# What stands for a value and is none.
_REFERENCE = re.compile(r"[$<{%(]|env\b|os\.|var\.|conn\.|None\b|null\b|true\b|false\b", re.IGNORECASE)


def masked(finding: Finding) -> Finding:
    """The finding, every secret in its texts replaced by an ellipsis."""
    summary, remedy, detail = map(without_secrets, (finding.summary, finding.remedy, finding.detail))
    if (summary, remedy, detail) == (finding.summary, finding.remedy, finding.detail):
        return finding
    return replace(finding, summary=summary, remedy=remedy, detail=detail)


def without_secrets(text: str) -> str:
    """A text in which values in a known format, and what is assigned to a secret's name, are not shown."""
    if len(text) < 16:
        return text
    values = {value for _, _, value in known_secrets(text)}
    for find in (private_keys, url_passwords, web_tokens):
        values |= {hit.value for hit in find(text)}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, _MASK)
    return _ASSIGNED.sub(_hidden, text)


def _hidden(found: re.Match[str]) -> str:
    return found[0] if _REFERENCE.match(found[3]) or _MASK in found[3] else f"{found[1]}{found[2]}{_MASK}"
