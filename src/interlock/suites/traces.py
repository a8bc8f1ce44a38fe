"""What a run read of the project, and whether all of that is still the same."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from interlock.model.canonical import digest_of, plain
from interlock.runtimes.workers import _interlock_looks as looks

_LOOKS: dict[str, Callable[[str], str]] = {
    "files": looks.content, "folders": looks.entries, "sizes": looks.size, "kinds": looks.kind,
}  # fmt: skip


@dataclass(frozen=True)
class Trace:
    """Paths and names as the worker heard them: ``_interlock_trace.Trace`` says what each part holds."""

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    whole: bool = False

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Trace":
        """The trace in JSON; from the worker it comes with how each path looked."""
        lists = {one.name: tuple(sorted(told[one.name])) for one in fields(cls) if one.name != "whole"}
        return cls(**lists, whole=bool(told["whole"]))

    def joined(self, other: "Trace") -> "Trace":
        """What either of two runs read."""
        both = {
            one.name: tuple(sorted({*getattr(self, one.name), *getattr(other, one.name)}))
            for one in fields(self)
            if one.name != "whole"
        }
        return Trace(**both, whole=self.whole or other.whole)

    def with_files(self, paths: Iterable[str]) -> "Trace":
        """The same, and these files."""
        return replace(self, files=tuple(sorted({*self.files, *paths})))

    def is_about(self, path: str) -> bool:
        """Whether the run might have gone otherwise had this file been another one, or not been there."""
        if self.whole or any(path in part for part in (self.files, self.sizes, self.kinds)):
            return True
        return any(map(partial(_lies_in, path), self.folders)) or any(
            _lies_in(path, root) and _top(path, root) in self.names for root in self.roots
        )

    def as_json(self) -> dict[str, Any]:
        """What ``of`` reads."""
        told: dict[str, Any] = plain(self)
        return told


class Ground:
    """The project as it is now, asked for what a trace names; each thing is looked at once.

    ``whole``: a digest of all files of the project.
    """

    def __init__(self, root: Path, whole: Callable[[], str]) -> None:
        self._root = root
        self._whole = whole
        self._looked: dict[tuple[str, str], str] = {}
        self._modules: dict[str, frozenset[str]] = {}

    def digest(self, trace: Trace, basis: str) -> str:
        """Of all that the trace names, as it is now, and of ``basis``: what a run depends on besides."""
        looked = [{_text(path): self._look(how, path) for path in getattr(trace, how)} for how in _LOOKS]
        importable = frozenset().union(*map(self._importable, trace.roots))
        return digest_of([basis, *looked, sorted(importable & set(trace.names)), self._whole() if trace.whole else ""])

    def agrees(self, told: Mapping[str, Any]) -> bool:
        """Whether everything still looks as the worker saw it: nobody changed it meanwhile."""
        return all(self._look(how, path) == look for how in _LOOKS for path, look in told[how].items())

    def _look(self, how: str, path: str) -> str:
        key = (how, path)
        if key not in self._looked:
            self._looked[key] = _LOOKS[how](str(self._root / path))
        return self._looked[key]

    def _importable(self, root: str) -> frozenset[str]:
        """The top-level modules that the project has in a folder."""
        if root not in self._modules:
            try:
                names = [path.name for path in (self._root / root).iterdir()]
            except OSError:
                names = []
            self._modules[root] = frozenset(name.removesuffix(".py") for name in names)
        return self._modules[root]


def _lies_in(path: str, folder: str) -> bool:
    return folder == "." or path.startswith(folder + "/")


def _top(path: str, root: str) -> str:
    """The module of a folder that a file in it belongs to."""
    inner = path if root == "." else path.removeprefix(root + "/")
    return inner.partition("/")[0].removesuffix(".py")


def _text(path: str) -> str:
    """A path that may hold halves of characters, as in names that are no UTF-8, in a form that can be hashed."""
    return path.encode("utf-8", "backslashreplace").decode()
