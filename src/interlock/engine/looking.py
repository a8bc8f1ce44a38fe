"""What is live, as the ledger says it and as it really is."""

from typing import Any

from interlock.adapters.base import StepContext
from interlock.engine.workspace import Workspace
from interlock.model.errors import InterlockError
from interlock.model.resources import kind_of


def environment_status(workspace: Workspace, name: str) -> dict[str, Any]:
    """One environment: its release, resources, which of them differ from that release, and what drifted.

    ``drift`` lists what was changed behind Interlock's back, and what could not be looked at (``why`` says so).
    """
    environment = workspace.environment(name)
    state = workspace.ledger.state(name)
    records = [r for r in workspace.deployments().values() if r.plan.environment == name and not r.outcome]
    running = [r.id for r in records if r.interrupted]
    context = StepContext(
        deployment="status",
        config=workspace.config,
        environment_name=name,
        environment=environment,
        root=workspace.root,
        cache=workspace.cache,
        fence=lambda: None,
        state=state,
    )
    drift: list[dict[str, str]] = []
    for engine in sorted({kind_of(key).engine for key in state.resources}):
        try:
            seen = workspace.adapters[engine].observe(context)
        except InterlockError as error:
            drift.append({"resource": engine, "why": f"unknown: {error.summary}"})
            continue
        for key, found in seen.items():
            if key in state.resources and not found.get("present", True):
                drift.append({"resource": key, "why": found.get("why", "is not there")})
            elif found.get("drift"):
                drift.append({"resource": key, "why": str(found["drift"])})
    return {
        "environment": name,
        "release": state.release,
        "running": running[0] if running else "",
        "queued": [r.id for r in records if not r.interrupted],
        "resources": [
            {"key": r.key, "release": r.release, "fingerprint": r.fingerprint, "enabled": r.enabled}
            for _, r in sorted(state.resources.items())
        ],
        "partial": _partial(workspace, name),
        "drift": drift,
    }


def _partial(workspace: Workspace, name: str) -> list[str]:
    """Resources that are live in another version than the environment's release has."""
    state = workspace.ledger.state(name)
    manifest = workspace.manifest_or_none(state.release) if state.release else None
    if manifest is None:
        return []
    return [
        key
        for key, live in sorted(state.resources.items())
        if key in manifest.catalog.by_key and manifest.catalog.by_key[key].fingerprint != live.fingerprint
    ]
