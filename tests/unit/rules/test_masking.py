"""Whatever a finding quotes, a secret is not shown."""

import pytest

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.masking import masked, without_secrets

TOKEN = "_".join(("ghp", "R7qLx2VbN8mZt4WcYp6KdJf3Hs9GaE1TuQ5o"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"cannot be imported: ValueError: {TOKEN} was refused", "cannot be imported: ValueError: … was refused"),
        ("the line 'password: hunter2-for-prod' is no requirement", "the line 'password: …' is no requirement"),
        ("Connection to postgres://ada:s3cr3t-Pa55@db.internal/x failed", "postgres://ada:…@db.internal/x"),
        ("api_key = 'q8Zk2Lm9Qw'", "api_key = '…'"),
    ],
)
def test_a_secret_in_a_text_is_replaced(text: str, shown: str) -> None:
    assert shown in without_secrets(text)


@pytest.mark.parametrize(
    "text",
    [
        "imports 'payments_common.dbt_task', which neither the project nor the runtime has",
        "password: ${DB_PASSWORD} is not declared",
        "the variable 'token' is used and declared nowhere",
        "a task gives token=os.environ['TOKEN'], which the job does not read",
        "",
    ],
)
def test_innocent_texts_stay_as_they_are(text: str) -> None:
    assert without_secrets(text) == text


def test_every_text_of_a_finding_is_looked_at() -> None:
    shown = masked(
        Finding("ILK-PY001", Severity.ERROR, Place("a.py", 1), f"has {TOKEN}", f"drop {TOKEN}", detail=f"at {TOKEN}")
    )
    assert TOKEN not in repr(shown) and shown.place == Place("a.py", 1)
