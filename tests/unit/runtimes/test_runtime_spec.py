"""Locks: what counts for their digest, and what is said when one is not there."""

from pathlib import Path

import pytest

from interlock.model.errors import ConfigError
from interlock.runtimes.spec import RuntimeSpec, lock_digest

LOCK = "six==1.16.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via -r runtimes/dbt.in\n"


def digest_of(tmp_path: Path, text: str) -> str:
    lock = tmp_path / "some.lock"
    lock.write_text(text)
    return lock_digest(RuntimeSpec("dbt", python="3.11", lock=lock))


@pytest.mark.parametrize(
    "same",
    [
        "# written by hand\n\n" + LOCK,
        LOCK.replace("# via -r runtimes/dbt.in", "# via something else"),
        LOCK.replace("    --hash", "  --hash"),
        LOCK.replace("\n", "\r\n"),
        LOCK + "\n\n",
    ],
)
def test_comments_and_spacing_do_not_change_the_digest(tmp_path: Path, same: str) -> None:
    assert digest_of(tmp_path, same) == digest_of(tmp_path, LOCK)


@pytest.mark.parametrize(
    "other", [LOCK.replace("1.16.0", "1.16.1"), LOCK.replace("aa", "ac"), LOCK + "tomli==2.0.1 --hash=sha256:cc\n"]
)
def test_another_version_or_hash_changes_the_digest(tmp_path: Path, other: str) -> None:
    assert digest_of(tmp_path, other) != digest_of(tmp_path, LOCK)


def test_address_with_a_fragment_is_no_comment(tmp_path: Path) -> None:
    assert digest_of(tmp_path, "a @ file:///x.whl#sha256=1\n") != digest_of(tmp_path, "a @ file:///x.whl#sha256=2\n")


def test_missing_lock_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        lock_digest(RuntimeSpec("dbt", lock=tmp_path / "none.lock"))
    assert "lock dbt" in raised.value.remedy
