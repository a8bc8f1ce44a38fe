"""A project's own policies, put before its plans: Rego (``package interlock``) and Python (``check(plan)``).

They see a plan without its sensitive values. They are the project's code, so that workers run them, which read nothing
but the folder of the policy and have no network. The interpreter is Interlock's own: a plan belongs to none of the
project's runtimes, a project with policies need not have any, and regopy lies there. Policies in Python get its
standard library and what lies beside them, and nothing of what Interlock has installed: else an update of Interlock
could break them.
"""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from interlock.catalog.spark_reader import script_matches
from interlock.model.errors import Place, WorkerError
from interlock.model.findings import NotChecked, Severity
from interlock.rules.terraform_plan_file import Plan, Verdict
from interlock.runtimes.environments import Runtime
from interlock.runtimes.sandbox import Confinement
from interlock.runtimes.worker import Worker

_PACKAGE = re.compile(r"^\s*package\s+([\w.]+)", re.MULTILINE)
_ASKS = re.compile(r"^\s*(?:default\s+)?(?:deny|warn)\b", re.MULTILINE)
_OURS = "interlock"
_TEXTS = ("summary", "remedy", "address", "detail")
_LONGEST = 500
# regopy names the place of an error by its offset in bytes; the first is where it noticed.
_REGO_ERROR = re.compile(r"\(error \d+:.*?\|(\d+)\|\d+\s*\(errormsg \d+:([^\n]*?)\)\s*\(errorast", re.DOTALL)


def policies_of(paths: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """The policies of a project, without their tests and what other policies import (``_name.py``)."""
    found = (path for path in paths if any(script_matches(path, pattern) for pattern in patterns))
    return [path for path in found if not _is_beside(path.rpartition("/")[2])]


def _is_beside(name: str) -> bool:
    return name.startswith(("_", "test_")) or name.endswith(("_test.rego", "_test.py")) or name == "conftest.py"


class Policies:
    """The policies of one project. ``seconds``: what one may take."""

    def __init__(self, project: Path, paths: Sequence[str], read: Callable[[str], bytes], seconds: float) -> None:
        self._project = project
        self._seconds = seconds
        self._python = [path for path in paths if path.endswith(".py")]
        self._rego = {path: read(path).decode("utf-8", "replace") for path in paths if path.endswith(".rego")}
        self._asked = [path for path, text in self._rego.items() if _package(text) == _OURS and _ASKS.search(text)]

    def judge(self, plan: Plan) -> tuple[Verdict, ...]:
        """What all of them say of a plan, those in Rego first."""
        work: list[Callable[[], list[Verdict]]] = [lambda: list(self._by_rego(plan))] if self._rego else []
        work += [lambda path=path: list(self._by_python(plan, path)) for path in self._python]  # type: ignore[misc]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            said = [one for some in pool.map(lambda ask: ask(), work) for one in some]
        return tuple(_without_secrets(one, plan) for one in said)

    def idle(self) -> tuple[NotChecked, ...]:
        """Rego files that nothing asks."""
        found = []
        for path, text in self._rego.items():
            package = _package(text)
            imported = any(f"data.{package}" in other for name, other in self._rego.items() if name != path)
            if package != _OURS and not imported:
                told = f"only deny and warn of 'package {_OURS}' are asked, and this is 'package {package}'"
                found.append(NotChecked(path, told))
            elif package == _OURS and not self._asked:
                found.append(NotChecked(path, "it has neither a rule deny nor a rule warn"))
        return tuple(found)

    def _by_python(self, plan: Plan, path: str) -> Iterator[Verdict]:
        place = self._project / path
        try:
            told = self._request(Confinement((place.parent,)), "python", path=str(place), plan=plan.open)
        except WorkerError as error:
            yield self._broken(path, error)
            return
        for answer in told["answers"]:
            yield _verdict(answer, [path], Severity.ERROR)

    def _by_rego(self, plan: Plan) -> Iterator[Verdict]:
        asked = self._asked or list(self._rego)
        try:
            told = self._request(Confinement(()), "rego", modules=list(self._rego.items()), plan=plan.open)
        except WorkerError as error:
            yield self._broken(asked[0], error)
            return
        for path, why in told["broken"]:
            match = _REGO_ERROR.search(why)
            line = self._rego[path].encode()[: int(match[1])].count(b"\n") + 1 if match else 0
            yield _unusable(path, line, match[2] if match else why)
        for name, severity in (("deny", Severity.ERROR), ("warn", Severity.WARNING)):
            there, value = told[name]
            for answer in (value if isinstance(value, list) else [value]) if there else ():
                if answer is not False:
                    yield _verdict(f"'{name}' is true" if answer is True else answer, asked, severity)

    def _request(self, confinement: Confinement, op: str, **given: Any) -> dict[str, Any]:
        runtime = Runtime("policies", Path(sys.executable), "")
        with Worker(runtime, "policy_worker.py", confinement=confinement) as worker:
            return worker.request(op, timeout=self._seconds, **given)

    def _broken(self, path: str, error: WorkerError) -> Verdict:
        detail = "\n".join(part for part in (error.detail.strip(), error.summary) if part)
        detail = detail.replace(f"{self._project}/", "")
        lines = re.findall(rf'File "{re.escape(path)}", line (\d+)', detail)
        return _unusable(path, int(lines[-1]) if lines else 0, detail)


def _package(text: str) -> str:
    match = _PACKAGE.search(text)
    return match[1] if match else ""


def _unusable(path: str, line: int, why: str) -> Verdict:
    return Verdict(
        Severity.ERROR, "the policy cannot be evaluated, so it refuses nothing",
        "Mend the policy; terraform.timeout in interlock.yaml limits its time.", detail=why,
        broken=Place(path, line, line),
    )  # fmt: skip


def _verdict(answer: Any, policies: Sequence[str], severity: Severity) -> Verdict:
    """An answer as it is meant: a text, or a mapping; anything else is a mistake of the policy."""
    said = answer if isinstance(answer, Mapping) else {"summary": answer}
    told = {"summary" if name in ("msg", "message") else str(name): value for name, value in said.items()}
    told["severity"] = told.get("severity", severity.value)
    unknown = sorted(told.keys() - {*_TEXTS, "severity"})
    if unknown:
        why = f"a finding has the unknown key '{unknown[0]}'; known are {', '.join(_TEXTS)} and severity"
    elif not all(isinstance(value, str) for value in told.values()) or not told.get("summary", "").strip():
        why = "a finding is a text, or a mapping of texts with a summary"
    elif told["severity"] not in list(Severity):
        why = f"a severity is one of {', '.join(Severity)}"
    else:
        detail = "\n".join(part for part in (told.get("detail", ""), f"policy: {', '.join(policies)}") if part)
        summary = " ".join(told["summary"].split())[:_LONGEST]
        return Verdict(
            Severity(told["severity"]), summary, told.get("remedy", ""), told.get("address", ""), detail
        )  # fmt: skip
    return _unusable(policies[0], 0, why)


def _without_secrets(verdict: Verdict, plan: Plan) -> Verdict:
    hide = plan.without_secrets
    return replace(
        verdict, summary=hide(verdict.summary), remedy=hide(verdict.remedy), address=hide(verdict.address),
        detail=hide(verdict.detail),
    )  # fmt: skip
