"""Where dbt keeps what it remembers of its last parse, so that the next one reads only what changed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# What dbt keeps of a parse in its target folder.
_REMEMBERED = "partial_parse.msgpack"


@dataclass(frozen=True)
class ParsingPlace:
    """A dbt project under a path that stays the same whatever it leads to, for dbt remembers where its files lie."""

    project: Path
    target: Path

    def forget(self) -> bool:
        """The next parse reads everything; whether there was something to forget."""
        remembered = self.target / _REMEMBERED
        known = remembered.exists()
        remembered.unlink(missing_ok=True)
        return known


@contextmanager
def parsing_place(folder: Path, project: Path) -> Iterator[ParsingPlace]:
    """A place for parsing ``project`` while the block runs, with what was remembered below ``folder``.

    One process at a time has it; whoever comes meanwhile gets an empty place of its own.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        with tempfile.TemporaryDirectory(prefix="interlock-dbt-") as own:
            yield _made(Path(own), project)
        return
    try:
        yield _made(folder, project)
    finally:
        lock.release()


def _made(folder: Path, project: Path) -> ParsingPlace:
    place = ParsingPlace(folder / "project", folder / "target")
    if place.project.is_dir() and not place.project.is_symlink():
        shutil.rmtree(place.project)  # a cache that was copied with what its links led to
    beside = folder / "project.new"
    beside.unlink(missing_ok=True)
    beside.symlink_to(project)
    beside.replace(place.project)
    place.target.mkdir(exist_ok=True)
    return place
