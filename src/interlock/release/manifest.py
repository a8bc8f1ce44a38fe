"""Reading a manifest that may have been tampered with, and the rules for what a release may hold."""

import json
import re
import unicodedata

from interlock.model.canonical import digest_bytes
from interlock.model.errors import TamperedError
from interlock.model.release import FileEntry, Manifest, manifest_from_json

MAX_FILE = 100 * 1024 * 1024  # bytes
MAX_MANIFEST = 512 * 1024 * 1024  # bytes
MAX_PATH = 1024  # characters

_DIGEST = re.compile(r"[0-9a-f]{64}")
REBUILD = "Build the release again from its commit, or take the archive or store from a place that you trust."


def is_digest(text: object) -> bool:
    """Whether ``text`` is a SHA-256 in lower-case hexadecimal."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def path_problem(path: str) -> str:
    """What is wrong with a path of a release ("" when nothing is): it must be relative, POSIX, NFC, and stay inside."""
    if not path or len(path) > MAX_PATH:
        return "is empty or too long"
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        return "is absolute"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return "leaves its folder or holds an empty part"
    if "\\" in path or any(unicodedata.category(c) in ("Cc", "Cs") for c in path):
        return "holds a backslash, a control character or bytes that are no UTF-8"
    return "" if unicodedata.is_normalized("NFC", path) else "is not in Unicode's NFC form"


def parse_manifest(data: bytes, expected_id: str = "") -> Manifest:
    """The manifest in ``data``; ``TamperedError`` unless it is one: canonical, safe, with the expected id."""
    found = digest_bytes(data)
    if expected_id and found != expected_id:
        raise TamperedError(
            f"the manifest of release {expected_id[:12]} was changed", remedy=REBUILD, detail=f"its digest is {found}"
        )
    try:
        manifest = manifest_from_json(json.loads(data))
        canonical = manifest.encoded
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TamperedError(
            "this is not a release's manifest", remedy=REBUILD, detail=f"{type(error).__name__}: {error}"[:300]
        ) from error
    if canonical != data:
        raise TamperedError("the manifest is not in canonical form", remedy=REBUILD)
    if manifest.format != 1:
        raise TamperedError(
            f"the manifest has format {manifest.format!r}, this Interlock reads format 1",
            remedy="Use the Interlock version that built the release, or a newer one.",
        )
    _check_files(manifest.files)
    return manifest


def _check_files(files: tuple[FileEntry, ...]) -> None:
    previous, paths = "", set()
    sizes: dict[str, int] = {}
    for entry in files:
        problem = path_problem(entry.path) if isinstance(entry.path, str) else "is no text"
        if not problem and entry.path <= previous:
            problem = "stands twice or out of order"
        if not problem and not is_digest(entry.digest):
            problem = "has no SHA-256"
        if not problem and (type(entry.size) is not int or not 0 <= entry.size <= MAX_FILE):
            problem = "has an impossible size"
        if not problem and type(entry.executable) is not bool:
            problem = "has an impossible mode"
        if not problem and sizes.setdefault(entry.digest, entry.size) != entry.size:
            problem = "has another size than the same bytes elsewhere"
        if problem:
            raise TamperedError(f"the manifest's file {entry.path!r} {problem}", remedy=REBUILD)
        previous = entry.path
        paths.add(entry.path)
    for path in paths:
        parent = path
        while "/" in parent:
            parent = parent.rpartition("/")[0]
            if parent in paths:
                raise TamperedError(f"the manifest holds {parent!r} both as a file and as a folder", remedy=REBUILD)
