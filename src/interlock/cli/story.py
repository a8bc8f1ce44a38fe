"""The story that ``interlock demo`` tells: chapters of real commands and edits, with the exit code of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Edit = Callable[[Path], None]

_FCT = "dbt/models/marts/core/fct_payments.sql"
_FUNNEL = "dbt/models/marts/growth/mart_payment_funnel.sql"
_BROKEN = "dags/data_quality.py"


@dataclass(frozen=True)
class Chapter:
    """One thing that happens: an edit of the project, then a command that must end with ``code``."""

    title: str
    command: tuple[str, ...]
    code: int = 0
    edit: Edit | None = None


def _replace(path: str, old: str, new: str) -> Edit:
    def edit(root: Path) -> None:
        text = (root / path).read_text()
        if old not in text:
            raise AssertionError(f"the example has changed: {old!r} is not in {path}")
        (root / path).write_text(text.replace(old, new, 1))

    return edit


def _append(path: str, text: str) -> Edit:
    def edit(root: Path) -> None:
        with (root / path).open("a") as file:
            file.write(text)

    return edit


def _then(*edits: Edit) -> Edit:
    def edit(root: Path) -> None:
        for one in edits:
            one(root)

    return edit


_DROP = "where payments.status <> 'pending_review'\n"
_RIGHT, _WRONG = "from payments_common.dbt import", "from payments_common.dbt_task import"
_COLUMN = "sum(case when status = 'voided' then 1 else 0 end) as voided,\n"

CHAPTERS = (
    Chapter("Read interlock.yaml and see that this machine can release", ("doctor",)),
    Chapter("Validate everything before it is merged", ("check",)),
    Chapter("Build one immutable release", ("build",)),
    Chapter("Deploy it to dev", ("deploy", "dev", "--yes")),
    Chapter("Promote the same bytes to staging", ("promote", "staging", "--yes")),
    Chapter("Promote the same bytes to production", ("promote", "prod", "--yes")),
    Chapter("Somebody breaks a DAG: refused before merge", ("check",), 1, _replace(_BROKEN, _RIGHT, _WRONG)),
    Chapter(
        "It is mended; a model now drops 8 % of the payments, and every dbt test passes",
        ("build",),
        edit=_then(_replace(_BROKEN, _WRONG, _RIGHT), _append(_FCT, _DROP)),
    ),
    Chapter("Production's data gate finds it, and the deployment turns round", ("deploy", "prod", "--yes"), 1),
    Chapter(
        "A good change: one more column",
        ("build",),
        edit=_then(_replace(_FCT, _DROP, ""), _replace(_FUNNEL, "as attempted,\n", f"as attempted,\n    {_COLUMN}")),
    ),
    Chapter("It goes through", ("deploy", "prod", "--yes")),
    Chapter("Back to the release before, in seconds", ("rollback", "prod", "--yes")),
    Chapter("What happened, when, by whom", ("history", "prod")),
    Chapter("Prove that nobody touched the record", ("audit", "verify")),
)
