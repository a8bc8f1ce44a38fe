"""How a thing of the project looks: a text that stays the same as long as it does. For workers, and for who asks later.

Every function takes a path and returns "" for what is not there, or cannot be looked at.
"""

import hashlib
import os
import stat
from typing import Optional

# What tools leave behind comes and goes without anybody having changed anything.
_BY_PRODUCTS = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".interlock"})
_CHUNK = 1 << 20
# Bound early: whoever listens to a process replaces some of them in their module.
_look, _list = os.stat, os.scandir


def kind(path: str) -> str:
    """Whether it is a file or a folder."""
    found = _stat(path)
    return "" if found is None else "folder" if stat.S_ISDIR(found.st_mode) else "file"


def size(path: str) -> str:
    """The same, and how many bytes a file has."""
    found = _stat(path)
    return "file %d" % found.st_size if found and stat.S_ISREG(found.st_mode) else kind(path)


def entries(path: str) -> str:
    """A digest of what a folder holds, by name and kind."""
    try:
        with _list(path) as found:
            names = sorted(
                os.fsencode(one.name) + (b"/" if one.is_dir() else b"")
                for one in found
                if one.name not in _BY_PRODUCTS and not one.name.endswith((".pyc", ".pyo"))
            )
    except (OSError, ValueError):
        return ""
    return hashlib.sha256(b"\0".join(names)).hexdigest()


def content(path: str) -> str:
    """A digest of a file's bytes; of a folder its entries."""
    found = _stat(path)
    if found is None or stat.S_ISDIR(found.st_mode):
        return entries(path) if found else ""
    if not stat.S_ISREG(found.st_mode):
        return "special"
    hashed = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            for chunk in iter(lambda: stream.read(_CHUNK), b""):
                hashed.update(chunk)
    except OSError:
        return "unreadable"
    return hashed.hexdigest()


def _stat(path: str) -> Optional[os.stat_result]:
    try:
        return _look(path)
    except (OSError, ValueError):
        return None
