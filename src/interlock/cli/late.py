"""Modules of the lower layers load when a command first uses them, so that its ``--help`` need not wait for them.

A command therefore names modules, not what is in them: ``from interlock.engine import operations`` (packages whose
``__init__`` is heavy: ``from interlock import ledger``). Types of theirs in a signature stand in quotes.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

_AT_ONCE = {"cli", "views", "model"}


def import_command(name: str) -> ModuleType:
    """The module of one command, imported; what it names of the layers below the views loads with its first use."""
    finder = _Late()
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)


class _Late(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        package, _, rest = fullname.partition(".")
        if package != "interlock" or rest.partition(".")[0] in _AT_ONCE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec
