"""The baseline file: findings that a project had when it adopted the rules. They stay listed and never block."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from interlock.model.errors import ConfigError, Place
from interlock.model.findings import Finding

FILE_NAME = "interlock-baseline.json"
_VERSION = 1


@dataclass(frozen=True)
class Baseline:
    """How often each finding (by its key) is allowed."""

    counts: Counter[str]

    def over(self, findings: Iterable[Finding]) -> tuple[list[Finding], int]:
        """The findings, those of the baseline no longer new; and how many of the baseline are there no more."""
        left = Counter(self.counts)
        seen: list[Finding] = []
        for finding in findings:
            if left[finding.key] > 0:
                left[finding.key] -= 1
                finding = replace(finding, new=False)
            seen.append(finding)
        return seen, sum(left.values())


def read_baseline(root: Path) -> Baseline:
    """The project's baseline; an empty one where it has none. ``ConfigError`` for a file that is not one."""
    path = root / FILE_NAME
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Baseline(Counter())
    except (OSError, ValueError) as error:
        raise _broken(str(error)) from None
    entries = document.get("findings") if isinstance(document, dict) else None
    if not isinstance(entries, list) or not all(isinstance(e, dict) and isinstance(e.get("key"), str) for e in entries):
        raise _broken("a mapping with a list of findings was expected")
    return Baseline(Counter(entry["key"] for entry in entries))


def write_baseline(root: Path, findings: Iterable[Finding]) -> tuple[int, int]:
    """The baseline holds these; where there was one already, of these only what it held: it can only shrink.

    Returns how many findings it holds now, and how many it held. Waived findings need none.
    """
    before = read_baseline(root) if (root / FILE_NAME).exists() else None
    allowed = before.counts if before is not None else None
    kept = []
    left = Counter(allowed or {})
    for finding in findings:
        if finding.waived or (allowed is not None and left[finding.key] <= 0):
            continue
        left[finding.key] -= 1
        place = finding.place
        kept.append({"key": finding.key, "rule": finding.rule, "path": place.path, "summary": finding.summary})
    ordered = sorted(kept, key=lambda one: (one["path"], one["rule"], one["summary"], one["key"]))
    text = json.dumps({"version": _VERSION, "findings": ordered}, indent=1, ensure_ascii=False) + "\n"
    beside = root / f"{FILE_NAME}.new"
    try:
        beside.write_text(text, "utf-8")
        beside.replace(root / FILE_NAME)
    except OSError as error:
        raise ConfigError(
            f"{FILE_NAME} cannot be written: {error.strerror}", remedy="check the folder's rights"
        ) from None
    return len(kept), sum(before.counts.values()) if before is not None else len(kept)


def _broken(why: str) -> ConfigError:
    return ConfigError(
        f"{FILE_NAME} is no baseline: {why}",
        remedy="take the last committed one, or remove it and run 'interlock check --write-baseline'",
        place=Place(FILE_NAME),
    )
