"""What ``terraform validate -json`` says, as findings; what it says of this machine is none, and is told apart.

Source of the format: developer.hashicorp.com/terraform/cli/commands/validate (format_version 1.0).
"""

import re
from collections.abc import Iterator, Mapping
from posixpath import normpath
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.masking import without_secrets
from interlock.rules.surroundings import weighed
from interlock.rules.terraform_roots import Stack
from interlock.runtimes.terraform import Answer

_OF_MACHINE = re.compile(r"Module not installed$|Unsupported \w+ Core version$")
_INSTALLED = ".terraform/modules/"
_ERROR = re.compile(r"^Error: (.+)$", re.MULTILINE)
_NEEDS_INIT = "run 'terraform init' there, and check again"
# What init says of what a machine lacks, and what that means.
_LACKS = {
    "must use terraform init -upgrade": "its lock holds versions that the configuration excludes",
    "Failed to query available provider packages": f"its providers are not in its .terraform: {_NEEDS_INIT}",
    "Failed to download module": f"its modules are not in its .terraform: {_NEEDS_INIT}",
    "Error accessing remote module registry": f"its modules are not in its .terraform: {_NEEDS_INIT}",
    "Provider dependency changes detected": f"its lock lacks a provider: {_NEEDS_INIT}",
    "Unsupported Terraform Core version": "it takes another version of Terraform than the one on PATH",
}  # fmt: skip
# Functions that fail repeat what they were given, and that may be what a file holds. These do not.
_REPEATS = re.compile(
    r'(Call to function "(?!(?:json|yaml)decode")\w+" failed|Invalid value for "\w+" parameter(?!: no file exists)):.*',
    re.DOTALL,
)
# A summary names no line.
_ELSEWHERE = re.compile(r" at (\S+?):\d+(?:,\d+(?:-\d+)*)?")
_QUOTED = re.compile(r'"([^"\n]*)"')
_NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,39}")


def unready(answer: Answer) -> str:
    """Why Terraform could not look at all of a module on this machine; "" where it could."""
    lost = [one for one in answer.diagnostics if _is_about_machine(one)]
    if not lost and (not answer.refusal or answer.diagnostics):
        return ""
    for said, means in _LACKS.items():
        if said in answer.refusal:
            return means
    told = _ERROR.search(answer.refusal)
    first = told[1] if told else str(lost[0].get("summary", "")) if lost else "init failed"
    return f"Terraform says: {without_secrets(first)}"


def findings_of(stack: Stack, answer: Answer) -> Iterator[Finding]:
    """ILK-TF040: one for each diagnostic about the module's own text."""
    text = b"\n".join(stack.texts.values()).decode("utf-8", "replace")
    for one in answer.diagnostics:
        is_error = one.get("severity") == "error"
        if _is_about_machine(one) or (not is_error and _INSTALLED in str(one["range"].get("filename"))):
            continue
        place = _place(stack, one["range"])
        detail = shown(str(one.get("detail") or ""), text)
        severity = Severity.ERROR if is_error and not _may_be_made(detail) else Severity.WARNING
        first = _ELSEWHERE.sub(r" in \1", detail.partition("\n")[0])
        verb = "refuses" if is_error else "warns of"
        told = f"terraform validate {verb} this: {one.get('summary', '')}"
        yield Finding(
            "ILK-TF040", weighed(severity, place.path), place, f"{told}. {first}".rstrip(". "),
            f"Mend it: 'terraform validate' in {stack.root or '.'} says the same.", stack.key,
            detail=detail if first != detail else "",
        )  # fmt: skip


def shown(detail: str, text: str) -> str:
    """A detail without what is no name and stands in no text of the module: it may be what a file or variable holds."""

    def quoted(match: re.Match[str]) -> str:
        inner = match[1]
        last = inner.rpartition("/")[2]
        known = inner in text or _NAME.fullmatch(inner) or (last and last in text)
        return match[0] if known else '"…"'

    return _QUOTED.sub(quoted, _REPEATS.sub(r"\1.", detail))


def _is_about_machine(one: Mapping[str, Any]) -> bool:
    """Whether it is about what is installed here: providers, modules, Terraform itself."""
    return bool(_OF_MACHINE.match(str(one.get("summary")))) or not isinstance(one.get("range"), dict)


def _may_be_made(detail: str) -> bool:
    """Whether a file is missing: a build may make it, or a machine have it."""
    return "no file exists at" in detail


def _place(stack: Stack, told: Mapping[str, Any]) -> Place:
    """Lines of a file of the project; for one of an installed module, where the root module calls it."""
    nowhere = Place(next(iter(stack.texts)))
    try:
        path = normpath(f"{stack.root}/{told['filename']}".lstrip("/"))
        if _INSTALLED in path:
            called = path.partition(_INSTALLED)[2].partition("/")[0].partition(".")[0]
            return stack.calls.get(called, nowhere)
        first, last, column = told["start"]["line"], told["end"]["line"], told["end"]["column"]
        # A range ends where the next character begins: at the start of a line it ends with the line before.
        last -= last > first and column == 1
        return nowhere if path.startswith("../") else Place(path, int(first), int(last), int(told["start"]["column"]))
    except (KeyError, TypeError, ValueError):
        return nowhere
