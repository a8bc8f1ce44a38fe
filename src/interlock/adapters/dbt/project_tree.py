"""The dbt project of a release as a versioned folder; scheduled runs read ``<root>/current``."""

from typing import Any

from interlock.adapters.base import StepContext
from interlock.adapters.trees import Files, TreeRoot
from interlock.config.models import DbtSection
from interlock.model.errors import ConfigError, RefusedError, UsageError
from interlock.model.release import Manifest


def section_of(context: StepContext) -> DbtSection:
    """The project's dbt section; ``ConfigError`` if it has none."""
    if context.config.dbt is None:
        raise ConfigError("the project declares no dbt project", remedy="Add 'dbt: {project: ...}' to interlock.yaml.")
    return context.config.dbt


def tree_of(context: StepContext) -> TreeRoot:
    """The environment's folder of dbt projects; ``ConfigError`` if it has none."""
    target = context.environment.dbt
    if target is None:
        raise ConfigError(
            f"environment '{context.environment_name}' has no dbt target",
            remedy=f"Add 'environments.{context.environment_name}.dbt: {{root: ...}}' to interlock.yaml.",
        )
    return TreeRoot(context.resolve(target.root))


def inside(path: str, section: DbtSection) -> str | None:
    """A project path as it is inside the dbt project, ``None`` for one outside of it."""
    base = section.project.rstrip("/").removeprefix("./")
    if base in ("", "."):
        return path
    return path.removeprefix(base + "/") if path.startswith(base + "/") else None


def staged(context: StepContext) -> str:
    """The release's dbt project is on the disk beside the live one; its view id."""
    if context.manifest is None or context.blobs is None:
        raise UsageError("staging needs the release")
    section = section_of(context)
    files: Files = {}
    for entry in context.manifest.files:
        path = inside(entry.path, section)
        if path is not None:
            files[path] = (entry.digest, entry.executable)
    return tree_of(context).stage(files, context.blobs.read)


def closure(manifest: Manifest, key: str, section: DbtSection) -> dict[str, str]:
    """The files that a resource is made of, inside the dbt project, with their digests."""
    resource = manifest.catalog.by_key.get(key)
    found = {}
    for path in resource.files if resource else ():
        name, entry = inside(path, section), manifest.by_path.get(path)
        if name is not None and entry is not None:
            found[name] = entry.digest
    return found


def partly_back(context: StepContext, noted: dict[str, Any], only: frozenset[str]) -> Files:
    """The current files, with those of ``only`` as before the switch.

    Raises ``RefusedError`` where another live resource is made of a file that would change.
    """
    tree = tree_of(context)
    current = tree.current()
    wanted = tree.files(current) if current else {}
    old = tree.files(noted["before"]) if noted["before"] else {}
    for key in sorted(only):
        sides = (noted["live"].get(key) or {}, noted["live_before"].get(key) or {})
        for path in sorted({path for side in sides for path in side.get("files", {})}):
            if wanted.get(path) == old.get(path):
                continue
            users = sorted(
                other for other, live in context.state.resources.items()
                if other not in only and other.startswith("dbt.") and path in live.data.get("files", {})
            )  # fmt: skip
            if users:
                more = f" and {len(users) - 3} more" if len(users) > 3 else ""
                raise RefusedError(
                    f"{key} cannot go back alone: {path} differs and also belongs to {', '.join(users[:3])}{more}",
                    remedy="Roll back the whole deployment, or deploy a release that corrects it.",
                )
            if path in old:
                wanted[path] = old[path]
            else:
                wanted.pop(path, None)
    return wanted
