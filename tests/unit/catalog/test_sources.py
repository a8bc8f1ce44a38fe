"""What the readers know of files that somebody else writes meanwhile."""

import os
from pathlib import Path

import pytest

from interlock.catalog.sources import Sources


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for name in ("read.py", "watched.py", "other.py"):
        (tmp_path / name).write_text("A = 1\n")
    sources = Sources(tmp_path)
    sources.read("read.py")
    sources.watch(["watched.py", "not_there.py"])
    return sources


FILES = ("read.py", "watched.py", "other.py", "not_there.py")


def test_nothing_has_changed_where_nobody_writes(sources: Sources) -> None:
    sources.digests(FILES[:3])
    assert sources.changed(FILES) == []


def test_files_that_were_read_or_are_watched_are_known_to_have_changed(sources: Sources) -> None:
    for name in FILES:
        (sources.root / name).write_text("A = 22\n")
    assert sources.changed(FILES) == ["not_there.py", "read.py", "watched.py"]


def test_file_that_is_read_after_it_changed_is_still_one_that_did(sources: Sources) -> None:
    (sources.root / "watched.py").write_text("A = 22\n")
    sources.read("watched.py")
    assert sources.changed(FILES) == ["watched.py"]


def test_clock_and_size_that_are_put_back_hide_no_write(sources: Sources) -> None:
    path = sources.root / "read.py"
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # some kernels' clocks tick every 4 ms
        path.write_text("A = 2\n")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns and path.stat().st_size == before.st_size
    assert sources.changed(FILES) == ["read.py"]


def test_file_that_vanished_has_changed(sources: Sources) -> None:
    (sources.root / "read.py").unlink()
    assert sources.changed(FILES) == ["read.py"]


def test_what_another_one_read_is_watched_too(sources: Sources) -> None:
    fork = Sources(sources.root)
    fork.read("other.py")
    sources.also(fork.account())
    (sources.root / "other.py").write_text("A = 22\n")
    assert sources.changed(FILES) == ["other.py"]
