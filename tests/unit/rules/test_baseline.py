"""A legacy project's findings stay listed, block no more, and only become fewer."""

from pathlib import Path

import pytest

from interlock.model.errors import ConfigError, Place
from interlock.model.findings import Finding, Severity
from interlock.rules.baseline import FILE_NAME, read_baseline, write_baseline


def finding(summary: str, line: int = 1, waived: str = "") -> Finding:
    return Finding("ILK-PY001", Severity.ERROR, Place("dags/a.py", line), summary, "mend it", waived=waived)


OLD, OTHER, NEW = finding("old"), finding("other"), finding("new")


def test_what_the_baseline_holds_is_no_longer_new(tmp_path: Path) -> None:
    assert write_baseline(tmp_path, [OLD, OTHER]) == (2, 2)
    seen, outgrown = read_baseline(tmp_path).over([OLD, NEW])
    assert [(one.summary, one.new, one.blocks) for one in seen] == [("old", False, False), ("new", True, True)]
    assert outgrown == 1


def test_a_finding_that_moved_is_still_the_same(tmp_path: Path) -> None:
    write_baseline(tmp_path, [OLD])
    [seen], _ = read_baseline(tmp_path).over([finding("old", line=90)])
    assert not seen.new


def test_one_more_of_the_same_is_new(tmp_path: Path) -> None:
    write_baseline(tmp_path, [OLD])
    seen, _ = read_baseline(tmp_path).over([finding("old", 1), finding("old", 2)])
    assert [one.new for one in seen] == [False, True]


def test_a_baseline_only_shrinks(tmp_path: Path) -> None:
    write_baseline(tmp_path, [OLD, OTHER])
    assert write_baseline(tmp_path, [OLD, NEW]) == (1, 2)
    seen, _ = read_baseline(tmp_path).over([OLD, OTHER, NEW])
    assert [one.new for one in seen] == [False, True, True]


def test_a_waived_finding_needs_no_baseline(tmp_path: Path) -> None:
    assert write_baseline(tmp_path, [finding("waived", waived="because")]) == (0, 0)


def test_the_file_is_the_same_whatever_the_order(tmp_path: Path) -> None:
    write_baseline(tmp_path, [OLD, OTHER])
    text = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / FILE_NAME).unlink()
    write_baseline(tmp_path, [OTHER, OLD])
    assert (tmp_path / FILE_NAME).read_bytes() == text


@pytest.mark.parametrize("text", ["", "[]", "{", '{"findings": [1]}', '{"findings": [{"key": 1}]}', "\0"])
def test_a_file_that_is_no_baseline_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(ConfigError, match="is no baseline"):
        read_baseline(tmp_path)


def test_an_older_baseline_survives_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_baseline(tmp_path, [OLD])
    monkeypatch.setattr(
        Path, "write_text", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(ConfigError, match="No space left"):
        write_baseline(tmp_path, [OLD])
    monkeypatch.undo()
    assert read_baseline(tmp_path).counts[OLD.key] == 1
