"""What source text says of templates, beside what Airflow's own environment says of the same ones.

Text sees an argument, and guesses what Airflow defines; the parsed DAG has what is rendered, and by which names.
"""

from dataclasses import dataclass
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.inspection import Inspection
from interlock.rules.masking import masked

CLAIMS = "dag-template-claims"
# What Jinja itself refuses; all else (braces that are none, names of files) it takes as it is.
_JUDGED = frozenset({"syntax", "name", "filter", "macro"})


@dataclass(frozen=True)
class Claim:
    """A finding about a template. ``kind`` and ``name`` are as the worker calls them, or "".

    ``digest`` is that of the whole template; 0 where parts of it are computed. ``task``: its id, where it is known.
    """

    finding: Finding
    kind: str = ""
    name: str = ""
    digest: int = 0
    task: str | None = None

    def facts(self) -> list[Any]:
        """As JSON."""
        one = masked(self.finding)
        about = [one.rule, one.severity.value, one.place.line, one.place.end_line, one.summary, one.remedy, one.cause]
        return [about, self.kind, self.name, self.digest, self.task]

    @classmethod
    def of(cls, path: str, told: list[Any]) -> "Claim":
        """From facts."""
        (rule, severity, line, end, summary, remedy, cause), *rest = told
        return cls(Finding(rule, Severity(severity), Place(path, line, end), summary, remedy, cause=cause), *rest)

    def is_contradicted(self, dags: list[dict[str, Any]]) -> bool:
        """Whether the DAGs that Airflow made of the file show that it is not so."""
        if self.kind not in _JUDGED or not self.digest or not dags:
            return False
        if self.kind == "name" and not all(dag["names"] for dag in dags):
            return False
        wrong = [one for dag in dags for one in dag["problems"] if one["digest"] == self.digest]
        if wrong:
            return all(not self.is_about(one) for one in wrong)
        if any(self.digest in digests for dag in dags for digests in dag["fine"].values()):
            return True
        # The task is there, and renders another text: what stands in the file was changed on its way.
        there = {task for dag in dags for task in dag["tasks"] if self.task in (task, task.rpartition(".")[2])}
        return self.task is not None and bool(there)

    def is_about(self, problem: dict[str, Any]) -> bool:
        """Whether a problem that Airflow's environment shows is this one."""
        same = problem["digest"] == self.digest and problem["kind"] == self.kind
        return same and (self.kind == "syntax" or problem["name"] == self.name)


def standing_claims(inspection: Inspection) -> dict[str, list[Claim]]:
    """By path, what text says and no parsed DAG contradicts."""

    def make() -> dict[str, list[Claim]]:
        parsed = inspection.reading.templates if inspection.reading is not None else {}
        found = {}
        for path, told in inspection.of(CLAIMS).items():
            claims = (Claim.of(path, one) for one in told)
            found[path] = [one for one in claims if not one.is_contradicted(parsed.get(path, []))]
        return found

    return inspection.once(CLAIMS, make)
