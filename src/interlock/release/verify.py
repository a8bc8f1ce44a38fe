"""Whether all of a release is there, byte for byte."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from interlock.model.errors import TamperedError
from interlock.model.progress import OnProgress, Progress, silent
from interlock.release.store import MissingError, Store


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a stored release: what it concerns (a path, or ``manifest``), and what to do."""

    subject: str
    summary: str
    remedy: str
    digest: str = ""


def verify(store: Store, release: str, on_progress: OnProgress = silent) -> list[Problem]:
    """Every problem of the stored release, by path; empty when a deployment can rely on it.

    A store that does not answer raises ``UnreachableError``: that says nothing about the release.
    """
    try:
        manifest = store.manifest(release)
    except TamperedError as error:
        return [Problem("manifest", error.summary, error.remedy)]
    paths: dict[str, str] = {}
    sizes: dict[str, int] = {}
    for entry in manifest.files:
        paths.setdefault(entry.digest, entry.path)
        sizes[entry.digest] = entry.size

    def look(digest: str) -> Problem | None:
        try:
            size = len(store.read(digest))
        except (TamperedError, MissingError) as error:
            return Problem(paths[digest], error.summary, error.remedy, digest)
        if size != sizes[digest]:
            summary = f"has {size} bytes, the manifest says {sizes[digest]}"
            return Problem(paths[digest], summary, "Build the release again.", digest)
        return None

    problems: list[Problem] = []
    with ThreadPoolExecutor(8) as pool:
        for number, found in enumerate(pool.map(look, paths), 1):
            if found:
                problems.append(found)
            on_progress(Progress("release.verify", "reading files", number, len(paths)))
    return sorted(problems, key=lambda p: p.subject)
