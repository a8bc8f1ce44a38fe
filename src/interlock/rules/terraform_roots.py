"""Which module folders are root modules, those that Terraform is run in, and what each consists of."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from posixpath import normpath
from typing import Any

from interlock.catalog.sources import FOLDERS, Sources
from interlock.model.errors import ConfigError, Place
from interlock.rules.surroundings import is_less_serious
from interlock.rules.terraform_facts import LOCK_NAME, Folder, closure_of, local_source

_READS_FILES = re.compile(rb"\b(?:template)?file\w*\s*\(")
_TEXTS = (".tf", ".tf.json", ".tofu", ".tofu.json", LOCK_NAME)


@dataclass(frozen=True)
class Stack:
    """A root module. ``folders``: its own, and those of the project that it calls.

    ``texts``: what Terraform reads there, by path, files that git ignores too. ``calls``: where the root module calls
    each module, by name. ``unfit``: why Terraform alone cannot judge it, "" where it can.
    """

    root: str
    folders: tuple[str, ...]
    texts: Mapping[str, bytes]
    calls: Mapping[str, Place]
    unfit: str = ""

    @property
    def key(self) -> str:
        """What its findings name as their resource."""
        return f"terraform.stack:{self.root or '.'}"

    @property
    def reads_files(self) -> bool:
        """Whether it may read files that are none of Terraform's."""
        return any(_READS_FILES.search(text) for text in self.texts.values())


def stack_of(sources: Sources, root: str, folders: Mapping[str, Folder]) -> Stack:
    """The root module in this folder."""
    closure = closure_of(folders[root], folders)
    texts = {path: sources.read(path) for folder in closure for path in _texts(sources, folder.path)}
    calls = {one[0]: Place(path, one[1], one[2]) for path, one in folders[root].all("module")}
    unfit = ""
    if sources.exists(f"{root}/terragrunt.hcl".lstrip("/")):
        unfit = "terragrunt makes a part of it: run 'terragrunt validate' there"
    elif any(_leaves(folder.path, call[3]) for folder in closure for _, call in folder.all("module")):
        unfit = "it calls a module outside the project, which nothing here may read"
    return Stack(root, tuple(one.path for one in closure), texts, calls, unfit)


def _texts(sources: Sources, folder: str) -> list[str]:
    return [path for path in sources.under(folder or ".", skip=(FOLDERS,)) if path.endswith(_TEXTS)]


def _leaves(folder: str, source: str) -> bool:
    local = source.startswith(("./", "../")) and "\0" not in source and "//" not in source
    return local and local_source(folder, source) is None


def roots_of(folders: Mapping[str, Folder], locked: Iterable[str], named: Sequence[str]) -> list[str]:
    """The root modules by path, sorted: those that interlock.yaml names, else those that look like some.

    A folder with a backend or a lock file (``locked``) is one; so is one that nothing in the project calls, examples
    and tests left out. Raises ``ConfigError`` for a named folder without a file of Terraform's.
    """
    if named:
        return sorted({_known(name, folders) for name in named})
    evident = {path for path, folder in folders.items() if any(one.get("backend") for one in folder.files.values())}
    evident |= folders.keys() & set(locked)
    called = {local_source(folder.path, call[3]) for folder in folders.values() for _, call in folder.all("module")}
    alone = {path for path in folders.keys() - called if not is_less_serious(f"{path}/main.tf")}
    return sorted(evident | alone)


def _known(name: str, folders: Mapping[str, Folder]) -> str:
    path = normpath(name)
    path = "" if path == "." else path
    if path not in folders:
        raise ConfigError(
            f"there is no module of Terraform's in '{name}'",
            remedy="Name folders that hold .tf files in terraform.roots of interlock.yaml.",
            place=Place("interlock.yaml"),
        )
    return path


def root_of_plan(document: Mapping[str, Any], folders: Mapping[str, Folder], roots: Sequence[str]) -> str | None:
    """The root module that a plan was made from: the only one, or the only one that declares just what it shows.

    None where that cannot be told.
    """
    if len(roots) == 1:
        return roots[0]
    shown = _shown(document)
    alike = [root for root in roots if shown and _declared(folders[root]) == shown]
    return alike[0] if len(alike) == 1 else None


def _declared(folder: Folder) -> set[str]:
    managed = {f"{one[0]}.{one[1]}" for _, one in folder.all("resource")}
    read = {f"data.{one[0]}.{one[1]}" for _, one in folder.all("data")}
    return managed | read | {f"module.{one[0]}" for _, one in folder.all("module")}


def _shown(document: Mapping[str, Any]) -> set[str]:
    """What the configuration inside a plan declares at its root."""
    module = document["configuration"].get("root_module", {}) if isinstance(document.get("configuration"), dict) else {}
    resources, calls = module.get("resources"), module.get("module_calls")
    listed = resources if isinstance(resources, list) else []
    found = {str(one.get("address")) for one in listed if isinstance(one, dict)}
    return found | {f"module.{name}" for name in (calls if isinstance(calls, dict) else ())}
