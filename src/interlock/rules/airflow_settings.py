"""Variables, connections and pools that a file of the repository declares, as JSON."""

import json
import re
from typing import Any

import yaml

from interlock.rules.files import SourceFile
from interlock.rules.json_places import is_template

KINDS = ("variable", "connection", "pool")
_STAGE = r"(?:dev|development|prod|production|staging|stage|local|test|ci|example|sample|common|default)"
_BY_NAME = re.compile(
    rf"^(?:{_STAGE}[_\-.])?(?:airflow[_\-.])?(?:{_STAGE}[_\-.])?(variables|connections|pools)(?:[_\-.]{_STAGE})?\.json$"
)
_IDENTITY = {"variable": ("variable_name", "key"), "connection": ("conn_id",), "pool": ("pool_name", "name", "pool")}
_FROM_ENVIRONMENT = re.compile(r"\bAIRFLOW_(CONN|VAR)_([A-Za-z0-9_]+)")


# What something else puts a value in the place of, before anybody reads it.
_STAND_IN = re.compile(
    r"\s*(?:[<$!*]|x{3,}|(?:change.?me|todo|tbd|dummy|placeholder|redacted|secret|fill|replace)|ENC\[|[\w+.-]*vault\b|op://|"
    r"arn:aws:secretsmanager)",
    re.IGNORECASE,
)


def declared(file: SourceFile) -> dict[str, list[str]] | None:
    """Names by kind; None for files that declare none, and for such as are not of a known form."""
    name = file.path.rpartition("/")[2].lower()
    match = _BY_NAME.match(name)
    if name in ("airflow_settings.yaml", "airflow_settings.yml"):
        return _astro(file)
    if match is None or "terraform" in file.path:
        return None
    kind = match[1][:-1]
    names = _names(file.data, kind)
    return {kind: names} if names is not None else None


def no_json(file: SourceFile) -> list[str] | None:
    """Variables of a file whose value is certainly no JSON text, by the name they are declared under.

    What is no text in the file, ``airflow variables import`` stores as JSON.
    """
    names = (declared(file) or {}).get("variable")
    if not names:
        return None
    name = file.path.rpartition("/")[2].lower()
    values: dict[Any, Any] = {}
    if not name.endswith(".json"):
        entries = _loaded(file)["airflow"]["variables"]
        values = {str(one.get("variable_name")): one.get("variable_value") for one in entries if isinstance(one, dict)}
    elif isinstance(file.data, dict) and names == sorted(file.data):
        values = file.data
    return sorted(key for key, value in values.items() if isinstance(value, str) and _is_no_json(value)) or None


def _is_no_json(value: str) -> bool:
    if not value.strip() or is_template(value) or _STAND_IN.match(value):
        return False
    try:
        json.loads(value)
    except ValueError:
        return True
    except RecursionError:
        return False
    return False


def from_environment(file: SourceFile) -> dict[str, list[str]] | None:
    """Connections and variables that come as ``AIRFLOW_CONN_...`` and ``AIRFLOW_VAR_...``, in lower case."""
    if b"AIRFLOW_CONN_" not in file.source and b"AIRFLOW_VAR_" not in file.source:
        return None
    found: dict[str, list[str]] = {"connection": [], "variable": []}
    for kind, name in sorted(set(_FROM_ENVIRONMENT.findall(file.text))):
        found["connection" if kind == "CONN" else "variable"].append(name.lower())
    return found


def _loaded(file: SourceFile) -> Any:
    try:
        return yaml.safe_load(file.text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _names(data: Any, kind: str) -> list[str] | None:
    if isinstance(data, dict):
        inner = data.get(f"{kind}s")
        if len(data) == 1 and isinstance(inner, dict | list):
            data = inner
    if isinstance(data, dict):
        return sorted(str(one) for one in data)
    if isinstance(data, list) and data and all(isinstance(one, dict) for one in data):
        found = [next((str(one[key]) for key in _IDENTITY[kind] if one.get(key)), "") for one in data]
        return sorted(found) if all(found) else None
    return None


def _astro(file: SourceFile) -> dict[str, list[str]] | None:
    data = _loaded(file)
    settings = data.get("airflow") if isinstance(data, dict) else None
    if not isinstance(settings, dict):
        return None
    found = {}
    for kind in KINDS:
        entries = settings.get(f"{kind}s")
        names = _names([one for one in entries if isinstance(one, dict)], kind) if isinstance(entries, list) else None
        if names:
            found[kind] = names
    return found or None
