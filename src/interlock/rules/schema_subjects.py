"""Subjects: schema files, what each promises to its earlier versions, and how an old version compares with the new."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import Any

from interlock.config import ProjectConfig
from interlock.model.canonical import digest_bytes
from interlock.model.compatibility import ENDINGS, Mode
from interlock.model.findings import Compared
from interlock.rules.compat import Change
from interlock.rules.inspection import Inspection

AVRO, JSON, PROTO = "avro-schema", "json-schema", "protobuf"
_SPACE = "schema-versions"

Compare = Callable[[Any, Any], list[Change]]


def subject_of(path: str) -> str:
    """The name of a schema file without its ending: ``orders-value`` for ``schemas/orders-value.avsc``."""
    name = path.rpartition("/")[2]
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)


def is_named(path: str, subject: str) -> bool:
    """Whether a subject of interlock.yaml, which may be a pattern, means this schema file."""
    return fnmatchcase(path if "/" in subject else subject_of(path), subject)


def mode_of(path: str, config: ProjectConfig | None) -> Mode:
    """What a schema file promises: as interlock.yaml says, else BACKWARD, as registries do."""
    if config is None or config.schemas is None:
        return Mode.BACKWARD
    told = config.schemas
    return next((mode for subject, mode in told.subjects.items() if is_named(path, subject)), told.mode)


def subjects(inspection: Inspection) -> list[str]:
    """Every schema file, by path."""
    return sorted({path for fact in (AVRO, JSON, PROTO) for path in inspection.of(fact)})


def transitive(paths: Iterable[str], config: ProjectConfig | None) -> list[str]:
    """Those of the schema files that promise something to every earlier version."""
    return [path for path in paths if mode_of(path, config).transitive]


def since_base(inspection: Inspection, fact: str) -> list[tuple[str, Any, Any]]:
    """Files of one kind that differ from the base: path, what was there, what is there."""
    if inspection.base is None:
        return []
    before, after = inspection.base.of(fact), inspection.of(fact)
    return [
        (path, before[path], after[path])
        for path in sorted(inspection.changed)
        if path in before and path in after and before[path] != after[path]
    ]


def since_earlier(
    inspection: Inspection, fact: str, compare: Compare
) -> dict[str, list[tuple[list[Change], Compared]]]:
    """By path of a changed file: how it differs from each version before the base, and which version that is.

    What two contents differ in is computed once and kept.
    """
    if inspection.base is None or not inspection.base.earlier:
        return {}
    after = inspection.of(fact)
    pairs = {
        f"{path} {version.digest}": (path, version)
        for path, versions in inspection.base.earlier.items()
        if path in after and path in inspection.changed
        for version in versions
        if fact in version.facts
    }
    new = {path: digest_bytes(inspection.read(path)) for path in {path for path, _ in pairs.values()}}

    def compute(keys: Sequence[str]) -> Mapping[str, Any]:
        found = {}
        for key in keys:
            path, version = pairs[key]
            found[key] = [asdict(one) for one in compare(version.facts[fact], after[path])]
        return found

    told = inspection.kept(f"{_SPACE}-{fact}", {key: new[path] for key, (path, _) in pairs.items()}, compute)
    found: dict[str, list[tuple[list[Change], Compared]]] = {}
    for key, (path, version) in pairs.items():
        found.setdefault(path, []).append(([Change(**one) for one in told[key]], version.compared))
    return found
