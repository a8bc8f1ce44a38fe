"""gitleaks over many texts in one process, with the project's own settings. Values never leave it: it redacts."""

import json
import os
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath
from typing import Any

from interlock.model.canonical import digest_of
from interlock.model.errors import UnreachableError

CONFIG, IGNORED = ".gitleaks.toml", ".gitleaksignore"
_SECONDS = 60.0
_OPTIONS = ("--report-format", "json", "--redact", "--no-banner", "--exit-code", "0", "--log-level", "error")
# gitleaks itself follows a chain of two.
_MOST_EXTENDED = 2
_COMMIT = 40


@dataclass(frozen=True)
class Leak:
    """What gitleaks says of a range of lines, by the id of its rule."""

    rule: str
    line: int
    end_line: int


@dataclass(frozen=True)
class Settings:
    """The project's own settings by file name, and the ids of rules that it made itself."""

    texts: Mapping[str, bytes]
    own_rules: frozenset[str]

    def for_history(self) -> "Settings":
        """What is ignored in some commit is ignored in the texts of any."""
        lines = self.texts.get(IGNORED, b"").decode("utf-8", "replace").splitlines()
        plain = "".join(f"{line.partition(':')[2] if line.find(':') == _COMMIT else line}\n" for line in lines)
        return Settings({**self.texts, IGNORED: plain.encode()}, self.own_rules)

    @property
    def digest(self) -> str:
        return digest_of({name: text.hex() for name, text in self.texts.items()})


def gitleaks() -> Path | None:
    """The program, where one is installed."""
    found = shutil.which("gitleaks")
    return Path(found).resolve() if found else None


def identity(program: Path) -> str:
    """What changes when another gitleaks is installed: asking it for its version takes longer than all else here."""
    about = program.stat()
    return f"{program} {about.st_size} {about.st_mtime_ns}"


def settings_of(read: Callable[[str], bytes | None]) -> Settings:
    """The project's settings; ``read`` gives None for a file that it does not have."""
    texts = {name: text for name in (CONFIG, IGNORED) if (text := read(name)) is not None}
    own: set[str] = set()
    name = CONFIG
    for _ in range(1 + _MOST_EXTENDED):
        told = _parsed(texts.get(name, b""))
        rules = told.get("rules")
        own |= {str(one.get("id")) for one in rules if isinstance(one, dict)} if isinstance(rules, list) else set()
        extended = told.get("extend")
        path = extended.get("path") if isinstance(extended, dict) else None
        text = read(normpath(path)) if isinstance(path, str) else None
        if text is None or not isinstance(path, str):
            break
        name = normpath(path)
        texts[name] = text
    return Settings(texts, frozenset(own))


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(text.decode("utf-8", "replace"))
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def leaks(program: Path, files: Mapping[str, bytes], settings: Settings) -> dict[str, list[Leak]]:
    """What gitleaks finds, by path; files without are left out. ``UnreachableError`` where it does not do its work."""
    with tempfile.TemporaryDirectory(prefix="interlock-gitleaks-") as folder:
        place = Path(folder) / "files"
        place.mkdir()
        _laid_out(place, {**files, **settings.texts})
        report = Path(folder) / "report.json"
        command = [str(program), "dir", ".", "--report-path", str(report), *_OPTIONS]
        if CONFIG in settings.texts:
            command += ["--config", CONFIG]
        found: dict[str, list[Leak]] = {}
        for path, leak in _reported(_run(command, place, report)):
            if path in files:
                found.setdefault(path, []).append(leak)
        return found


def _laid_out(place: Path, texts: Mapping[str, bytes]) -> None:
    """Under their own paths: settings and fingerprints name them."""
    try:
        for path, source in texts.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(source)
    except OSError as error:
        raise UnreachableError(f"the files cannot be laid out for gitleaks: {error.strerror}") from None


def _run(command: list[str], folder: Path, report: Path) -> Any:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GITLEAKS_")}
    try:
        ended = subprocess.run(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=_SECONDS
        )
        told = json.loads(report.read_bytes()) if ended.returncode == 0 else None
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"gitleaks was not done after {_SECONDS:g} s") from None
    except (OSError, ValueError):
        told = None
    if not isinstance(told, list):
        raise UnreachableError(f"gitleaks did not do its work: it must be 8.19 or newer, and {CONFIG} valid")
    return told


def _reported(told: list[Any]) -> Iterator[tuple[str, Leak]]:
    for one in told:
        yield normpath(str(one["File"])), Leak(str(one["RuleID"]), int(one["StartLine"]), int(one["EndLine"]))
