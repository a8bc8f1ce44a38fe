"""What files say of Airflow's variables, connections and pools: which they name, and whether they compute names."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from interlock.model.canonical import digest_of
from interlock.rules.files import LARGEST_BYTES
from interlock.rules.inspection import Inspection

_SPACE = "settings-mentions"
_DATA = re.compile(
    r"\.(?:parquet|avro|orc|csv|tsv|gz|bz2|xz|zst|zip|tar|jar|whl|pkl|duckdb|db|sqlite|png|jpe?g|gif|ico|pdf|woff2?|mp4)$",
    re.IGNORECASE,
)
_TEXT = r"""(?:\w+\s*=\s*)?(?P<{0}>["'])[^"'{{}}%\n]*(?P={0})\s*(?:[,)}}\]\n#]|$)"""
_ALONE = r"""(?:\s*(?:-?\}\}|-?%\}|[|.,)\[~`]|==|!=)|\s+(?:if|else|is|in|and|or|not)\b)"""
# What reads a setting whose name does not stand there as a plain text, by kind. Rather too much: then nothing is said.
_COMPUTED = {
    "variable": re.compile(
        rf"\bVariable\s*\.\s*get\w*\b(?!\s*\(\s*{_TEXT.format('v')})|\bVariable\s+as\s|\bgetattr\(\s*Variable\b"
        r"|\b(?:query|select)\(\s*(?:\w+\.)?Variable\b"
        rf"|\bvar\.(?:value|json)\b(?!\.(?!get\b)[A-Za-z_]\w*{_ALONE}|\.get\(\s*{_TEXT.format('t')})"
        r"|AIRFLOW_VAR_(?:\w*_)?(?!\w)|AIRFLOW_VAR_\w*\{"
        r"|\bairflow\W+variables\W+(?:get|list|export)|\bapi/v\d\w*/variables\b"
    ),
    "connection": re.compile(
        rf"conn_id[\"']?\s*[=:](?!\s*{_TEXT.format('i')})|\bget_connections?\b(?!\s*\(\s*{_TEXT.format('g')})"
        r"|\bConnection\s*\.\s*get|\bConnection\s+as\s|\b(?:query|select)\(\s*(?:\w+\.)?Connection\b"
        rf"|(?<!\w)(?<!class )\w+Hook\((?!\s*(?:\)|\w+\s*=[^=]|{_TEXT.format('h')}))"
        r"|\{\{-?\s*conn\b(?!\.[A-Za-z_]\w*\s*[.|}])"
        r"|AIRFLOW_CONN_(?:\w*_)?(?!\w)|AIRFLOW_CONN_\w*\{"
        r"|\bairflow\W+connections\W+(?:get|list|export)|\bapi/v\d\w*/connections\b"
    ),
    "pool": re.compile(
        rf"\bpool[\"']?\s*[=:](?!\s*{_TEXT.format('p')})|\bPool\s*\.\s*get|\bPool\s+as\s"
        r"|\b(?:query|select)\(\s*(?:\w+\.)?Pool\b|\bairflow\W+pools\W+(?:get|list|export)|\bapi/v\d\w*/pools\b"
    ),
}
# Elsewhere than in Python a plain word is a text.
_TEMPLATED = re.compile(r"(?P<kind>conn_id|\bpool)[\"']?\s*[=:][^\n]{0,300}[{$]")
_KINDS = {"conn_id": "connection", "pool": "pool"}


def mentions(inspection: Inspection, names: Collection[str]) -> Mapping[str, Any]:
    """By path, for every file that is no data: how often it holds each of the names in any case (``names``; 2 is twice
    or more often), and of which kinds it may read settings by computed names (``computed``)."""
    wanted = sorted(names)
    asked = digest_of(wanted)[:16]
    keys = {path: f"{inspection.digest(path)} {asked}" for path in inspection.paths if not _DATA.search(path)}

    def compute(paths: Sequence[str]) -> Mapping[str, Any]:
        return {path: _told(path, inspection.read(path), wanted) for path in paths}

    return inspection.kept(_SPACE, keys, compute)


def _told(path: str, data: bytes, names: Sequence[str]) -> dict[str, Any]:
    text = data.decode("utf-8", "replace")
    lowered = text.lower()
    held = {name: min(lowered.count(name.lower()), 2) for name in names if name.lower() in lowered}
    computed = _computed(path, text) if len(data) <= LARGEST_BYTES else []
    return {"names": held, "computed": computed}


def _computed(path: str, text: str) -> list[str]:
    if path.endswith((".py", ".ipynb")):
        return [kind for kind, pattern in _COMPUTED.items() if pattern.search(text)]
    found = {_KINDS[one["kind"]] for one in _TEMPLATED.finditer(text)}
    return sorted(found | ({"variable"} if _COMPUTED["variable"].search(text) else set()))
