"""Whether a dbt selection can select anything, by the names, tags and paths that dbt projects of a repository have."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from interlock.rules.inspection import Inspection

DBT_FACTS = "across-dbt"
_GLOB = re.compile(r"[*?\[\]]")
# Names that dbt gives to generic tests.
_MADE_NAMES = re.compile(r"^(?:not_null|unique|accepted_values|relationships|source|dbt_\w+|elementary)_")
_SKIPPED = ("/dbt_packages/", "/dbt_modules/", "/target/", "/logs/")


@dataclass(frozen=True)
class Part:
    """One criterion that selects nothing: how it was written, what kind of name it has, and the names there are."""

    written: str
    kind: str
    name: str
    known: frozenset[str]


@dataclass(frozen=True)
class Projects:
    """All dbt projects of a repository as one: what any of them has is no mistake."""

    folders: tuple[str, ...]
    paths: frozenset[str]
    facts: Mapping[str, Any]

    @classmethod
    def of(cls, inspection: Inspection) -> "Projects":
        """Those that the layout names."""
        folders = inspection.layout.dbt
        prefixes = tuple("" if one in (".", "") else f"{one.rstrip('/')}/" for one in folders)
        paths = frozenset(
            path[len(prefix) :]
            for path in inspection.paths
            for prefix in prefixes
            if path.startswith(prefix) and not any(one in f"/{path}" for one in _SKIPPED)
        )
        return cls(folders, paths, inspection.of(DBT_FACTS))

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of models and other nodes, of their files, folders and projects."""
        found = {one for told in self.facts.values() for one in told["names"]}
        for path in self.paths:
            *folders, name = path.split("/")
            found.update(folders)
            found.add(name.rpartition(".")[0] or name)
        found |= {one.rpartition("/")[2] for one in self.folders}
        return frozenset(found)

    @cached_property
    def nodes(self) -> frozenset[str]:
        """Names of models, seeds and snapshots: what a misspelt name can have meant."""
        return frozenset(
            one.rpartition("/")[2].rpartition(".")[0] for one in self.paths if one.endswith((".sql", ".csv", ".py"))
        ) | {one for told in self.facts.values() for one in told["names"]}

    @cached_property
    def tags(self) -> frozenset[str]:
        """Tags that are written anywhere."""
        return frozenset(one for told in self.facts.values() for one in told["tags"])

    @cached_property
    def folders_of_models(self) -> frozenset[str]:
        """Paths of folders and files within a project."""
        found = set(self.paths)
        for path in self.paths:
            while "/" in path:
                path = path.rpartition("/")[0]
                found.add(path)
        return frozenset(found)

    @cached_property
    def has_packages(self) -> bool:
        """Whether models of other projects may be selected too."""
        return bool({"packages.yml", "dependencies.yml", "package-lock.yml"} & self.paths)

    @cached_property
    def computed_tags(self) -> bool:
        """Whether some tag is not written but computed."""
        return any(told["dynamic"] for told in self.facts.values())

    def missing(self, selected: Iterable[str], command: str) -> Iterator[Part]:
        """The criteria that certainly match nothing that the repository holds."""
        for one in selected:
            for part in one.split(","):
                found = self._missing(part, command)
                if found is not None:
                    yield found

    def _missing(self, part: str, command: str) -> Part | None:
        bare = re.sub(r"^(?:@|\d*\+)|\+\d*$", "", part)
        method, colon, value = bare.partition(":")
        if not colon:
            method, value = "path" if "/" in bare else "fqn", bare
        if not value or _GLOB.search(value):
            return None
        if method in ("tag", "config.tags"):
            gone = value not in self.tags and not self.computed_tags
            return Part(part, "tag", value, self.tags) if gone else None
        if method == "path":
            value = value.removeprefix("./").rstrip("/")
            outside = value.startswith(("/", "..", "dbt_packages")) or not value
            gone = not outside and value not in self.folders_of_models
            return Part(part, "path", value, self.folders_of_models) if gone else None
        return self._missing_name(part, value, command) if method == "fqn" else None

    def _missing_name(self, part: str, value: str, command: str) -> Part | None:
        value = re.sub(r"\.(?:sql|csv|py)$|\.v\d+$", "", value)
        if command in ("test", "build", "ls", "list") and _MADE_NAMES.match(value):
            return None
        if value in self.names or not re.fullmatch(r"[\w.\-]+", value):
            return None
        unknown = next((one for one in value.split(".") if one not in self.names), None)
        return Part(part, "name", unknown, self.nodes) if unknown else None
