"""dbt hooks that a candidate's build would run against something that is not a candidate."""

import re
from collections.abc import Collection
from typing import Any

_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_STRINGS = re.compile(r"'(?:[^']|'')*'")
_TARGETS = re.compile(
    r"\b(?:from|join|into|update|table|view|truncate|on|schema|using)\s+(?:only\s+|table\s+|if\s+(?:not\s+)?exists\s+)?"
    r"((?:\"[^\"]+\"|[a-z_][\w$]*)(?:\s*\.\s*(?:\"[^\"]+\"|[a-z_][\w$]*))*)",
    re.IGNORECASE,
)
_CALLS = re.compile(r"\{\{-?\s*([a-z_]\w*)\s*\(", re.IGNORECASE)
_KNOWN_CALLS = frozenset({"ref", "source", "config", "var", "env_var", "return", "log"})
_WORDS = frozenset(
    {"table", "view", "schema", "select", "only", "if", "all", "set", "conflict", "sequence", "function"}
)


def check_hooks(manifest: dict[str, Any], chosen: Collection[str]) -> list[dict[str, str]]:
    """One entry for each hook that is not known to stay with the candidates: ``{"node", "hook", "why"}``.

    ``chosen`` are unique ids. The project's on-run hooks are not looked at, because candidates are built without them.
    """
    found = []
    for unique_id in chosen:
        node = manifest["nodes"].get(unique_id, {})
        config = node.get("config", {})
        for when in ("pre-hook", "post-hook"):
            hooks = config.get(when) or config.get(when.replace("-", "_")) or []
            for hook in hooks if isinstance(hooks, list) else [hooks]:
                sql = hook.get("sql", "") if isinstance(hook, dict) else str(hook)
                if why := why_unsafe(sql):
                    found.append({"node": unique_id, "hook": when, "why": why})
    return found


def why_unsafe(sql: str) -> str:
    """Why a hook may touch production: it names a fixed relation, or calls a macro. "" where it does neither."""
    plain = _STRINGS.sub("''", _JINJA.sub(" __jinja__ ", sql))
    for match in _TARGETS.finditer(plain):
        name = re.sub(r"\s", "", match[1])
        if name.lower() not in _WORDS and "__jinja__" not in name:
            return f"it names the fixed relation {name}"
    calls = [name for name in _CALLS.findall(sql) if name not in _KNOWN_CALLS]
    if calls:
        return f"it calls the macro {calls[0]}, whose statements are not known"
    return ""
