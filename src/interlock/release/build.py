"""From a project folder to a manifest and its blobs: the same content gives the same bytes, wherever and whenever."""

import os
import stat
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from interlock.config.models import Environment, ProjectConfig
from interlock.model.canonical import digest_bytes
from interlock.model.errors import ConfigError, StaleError
from interlock.model.progress import OnProgress, silent
from interlock.model.release import FileEntry, Manifest
from interlock.model.resources import Catalog
from interlock.release.manifest import MAX_FILE
from interlock.release.store import Store

_TARGETS = ("airflow", "dbt", "spark", "warehouse")


def build(
    project_root: Path, config: ProjectConfig, catalog: Catalog, commit: str, files: Iterable[str]
) -> tuple[Manifest, dict[str, Path]]:
    """The manifest of ``files`` (see ``sources.release_files``), and where the bytes of each digest lie.

    Neither a clock, a user, a umask nor the project's place on this machine goes into it. ``ConfigError`` names a file
    that cannot be read, is no regular file or is over 100 MiB, and a resource that needs a file outside of ``files``.
    """
    entries: list[FileEntry] = []
    blobs: dict[str, Path] = {}
    for name in sorted(set(files)):
        path = _locate(project_root, name)
        entry = _entry(name, path)
        entries.append(entry)
        blobs.setdefault(entry.digest, path)
    _check_closures(catalog, {entry.path for entry in entries})
    manifest = Manifest(
        project=config.project,
        commit=commit,
        files=tuple(entries),
        catalog=catalog,
        runtimes=dict(catalog.runtimes),
        config=config_shape(config),
    )
    return manifest, blobs


def publish(store: Store, manifest: Manifest, blobs: Mapping[str, Path], on_progress: OnProgress = silent) -> str:
    """The release is in the store, whole; its id. Blobs first and the manifest last: a kill leaves no half release."""
    missing = {entry.digest for entry in manifest.files} - blobs.keys()
    if missing:
        raise StaleError(f"{len(missing)} of the release's files have no bytes", remedy="Build the release again.")
    store.put_files(blobs, on_progress)
    return store.put_manifest(manifest)


def config_shape(config: ProjectConfig) -> dict[str, Any]:
    """``interlock.yaml`` without what differs between machines and environments: of those, the names stay."""
    shape = config.model_dump(mode="json", by_alias=True, exclude={"environments", "ledger", "artifacts", "runtimes"})
    shape["environments"] = {name: _environment_shape(env) for name, env in config.environments.items()}
    shape["runtimes"] = {
        name: {"external": True} if r.interpreter else r.model_dump(mode="json", exclude={"interpreter"})
        for name, r in config.runtimes.items()
    }
    return shape


def _environment_shape(environment: Environment) -> dict[str, Any]:
    return {
        "after": environment.after,
        "targets": [name for name in _TARGETS if getattr(environment, name) is not None],
        "values": sorted(environment.values),
    }


def _locate(root: Path, name: str) -> Path:
    # Some systems store names decomposed; a release names them composed.
    path = root / name
    return path if os.path.lexists(path) else root / unicodedata.normalize("NFD", name)


def _entry(name: str, path: Path) -> FileEntry:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{name} is no regular file", remedy="Remove it from the project, or ignore it in git.")
        if found.st_size > MAX_FILE:
            raise ConfigError(
                f"{name} has {found.st_size / 2**20:.0f} MiB, a release takes files of up to {MAX_FILE // 2**20} MiB",
                remedy="Keep data out of the project's folders, or ignore the file in git.",
            )
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{name} could not be read", remedy="Check that it exists and its permissions.", detail=str(error)
        ) from error
    return FileEntry(name, digest_bytes(data), len(data), bool(found.st_mode & stat.S_IXUSR))


def _check_closures(catalog: Catalog, held: set[str]) -> None:
    outside: dict[str, str] = {}
    for resource in catalog.resources:
        for path in (resource.path, *resource.files):
            if path not in held:
                outside.setdefault(path, resource.key)
    if outside:
        problems = tuple(f"{path} is needed by {key}" for path, key in sorted(outside.items()))
        raise ConfigError(
            f"{len(outside)} files that resources need would not be part of the release: {problems[0]}",
            problems=problems,
            remedy="Name their folder in interlock.yaml (an 'include'), and see that git does not ignore them.",
        )
