"""Ways in which Python packages come to a Spark job besides its runtime: whoever uses one is believed."""

import re
from collections.abc import Iterator, Mapping

from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.surroundings import is_less_serious

FACTS = "spark-brought"
PATTERNS = (
    "*.py", "*.sh", "*.conf", "*.properties", "*.yml", "*.yaml", "Dockerfile*", "Makefile", "*.tf", "*.tf.json",
)  # fmt: skip
_IN_CODE = (
    b"addPyFile", b"addArchive", b"addArtifact", b"addsitedir", b"meta_path", b"path_hooks", b"sys.path",
    b"sys.modules", b"from sys import", b"PYTHONPATH", b"'pip", b'"pip', b"pip install", b"pip3 install",
)  # fmt: skip
_SUBMITTED = (
    b"py_files", b"py-files", b"pyfiles", b"--archives", b"archives=", b"archives:", b"archives'", b'archives"',
    b"spark.archives", b"spark.yarn.dist", b"pythonpath",
)  # fmt: skip
_INSTALLED = re.compile(
    rb"\b(?:pip3?|conda|mamba|poetry|uv)\b[^\n]{0,200}?\b(?:install|add)\b([^\n]{0,500})|"
    rb"\bpackage['\"]?\s{0,9}[:=]([^\n]{0,200})"
)
_COORDINATE = re.compile(rb"(?<![\w.:/-])[a-zA-Z][\w.-]{0,99}:[a-zA-Z][\w.-]{0,99}:\d[\w.-]{0,99}")
_FROM_FILE = re.compile(r"(?:^|\s)(?:-r|--requirement|-e|--editable|\.|-f|--file)")
# What is installed there is for tests.
_TESTED_BY = re.compile(r"(?:^|/)\.(?:github|gitlab|circleci)")


def brought(file: SourceFile) -> dict[str, object] | None:
    """What a file says of packages for Spark.

    ``code``: it changes its import path or installs something. ``submitted``: it hands files to Spark. ``named``: what
    it installs (the rest of each command) and Java packages, of which some hold Python too.
    """
    told: dict[str, object] = {}
    if file.path.endswith(".py") and any(word in file.source for word in _IN_CODE):
        told["code"] = True
    lowered = file.source.lower()
    if b"spark" in lowered:
        if any(word in lowered for word in _SUBMITTED):
            told["submitted"] = True
        if named := sorted(set(_named(file, lowered))):
            told["named"] = named
    return told or None


def _named(file: SourceFile, lowered: bytes) -> Iterator[str]:
    found: list[bytes] = []
    if (b"install" in lowered or b" add" in lowered or b"pypi" in lowered) and not _TESTED_BY.search(file.path):
        joined = file.source.replace(b"\\\n", b" ")
        found += [match[1] or match[2] or b"" for match in _INSTALLED.finditer(joined)]
    if b"packages" in lowered or b"jars" in lowered:
        found += _COORDINATE.findall(file.source)
    return (one.decode("utf-8", "replace").strip() for one in found)


class Brought:
    """What the files of a project say; ``sparks``: those that its jobs are made of."""

    def __init__(self, inspection: Inspection, sparks: frozenset[str]) -> None:
        told: Mapping[str, Mapping[str, object]] = inspection.of(FACTS)
        self._told = told
        counting = {path: one for path, one in told.items() if path in sparks or not is_less_serious(path)}
        self._to_all = any("submitted" in one for path, one in counting.items() if path not in sparks)
        self._named = [str(text) for one in counting.values() for text in _listed(one.get("named"))]

    def may_have(self, module: str, distribution: str, files: tuple[str, ...]) -> bool:
        """Whether a job that is made of ``files`` may get this module in a way that nobody here sees."""
        if self._to_all or any({"code", "submitted"} & self._told.get(path, {}).keys() for path in files):
            return True
        names = {_plain(name) for name in (module, distribution) if name}
        return any(_FROM_FILE.search(text) or any(name in _plain(text) for name in names) for text in self._named)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.lower())
