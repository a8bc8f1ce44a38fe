"""Rules about the Java packages that Spark jobs ask for: ``--packages``, ``spark.jars.packages``.

Which Scala: PySpark 2.4 from PyPI is built with Scala 2.11, 3.x with 2.12, 4.x with 2.13. Which Spark for Delta Lake:
the table at docs.delta.io/releases. Iceberg's and Spark's own artifacts carry Spark's version.
"""

import re
from collections.abc import Iterator
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.requirement_files import FACTS, Line, version
from interlock.rules.rule import Family, FileFacts, Rule
from interlock.rules.surroundings import is_less_serious

_ARTIFACTS = "spark-artifacts"
_PATTERNS = ("*.py", "*.sh", "Dockerfile*", "*.conf", "docker-compose*.y*ml", "compose*.y*ml", "Makefile")
_COORDINATE = re.compile(
    r"(?<![\w.])(?P<group>[a-z][\w.-]+):(?P<name>[a-z][\w.-]*?)_(?P<scala>2\.1[123]):(?P<version>\d+\.\d+[\w.-]*)"
)
_SCALA = {2: "2.11", 3: "2.12", 4: "2.13"}
_DELTA = {
    "0.7": "3.0", "0.8": "3.0", "1.0": "3.1", "1.1": "3.2", "1.2": "3.2", "2.0": "3.2", "2.1": "3.3", "2.2": "3.3",
    "2.3": "3.3", "2.4": "3.4", "3.0": "3.5", "3.1": "3.5", "3.2": "3.5", "3.3": "3.5", "4.0": "4.0",
}  # fmt: skip
_VENDORED = re.compile(r"(?:^|/)(?:dbt_packages|site-packages|node_modules|vendor|third_party|integration_tests)/")
# Files there name what they show or try, not what the pinned PySpark runs.
_COMMENT = re.compile(r"^\s*(?:#|//)")


def artifact_facts(file: SourceFile) -> list[Any] | None:
    """Every coordinate outside comments: [group, name, Scala, version, line]."""
    if b"_2.1" not in file.source:
        return None
    found = []
    for number, line in enumerate(file.lines, 1):
        if len(line) < 4000 and not _COMMENT.match(line):
            for match in _COORDINATE.finditer(line):
                found.append([match["group"], match["name"], match["scala"], match["version"].rstrip(".-"), number])
    return found or None


def check_artifacts(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DP007 and ILK-DP008: only where the repository pins PySpark once, or where one file mixes two Scalas."""
    pinned, folders = _pyspark(inspection)
    for path, artifacts in inspection.of(_ARTIFACTS).items():
        if _VENDORED.search(path):
            continue
        # A pin of another part of the repository says nothing of this file's Spark.
        spark = pinned if any(not folder or path.startswith(f"{folder}/") for folder in folders) else ""
        yield from _mixed(path, artifacts, spark)
        for group, name, scala, release, line in artifacts if spark else ():
            wanted = _spark_of(group, name, release)
            if wanted and wanted != spark:
                yield Finding(
                    "ILK-DP007", Severity.WARNING, Place(path, line, line),
                    f"'{group}:{name}_{scala}:{release}' is made for Spark {wanted}, and pyspark is pinned to {spark}",
                    f"Take the artifact that is made for Spark {spark}.",
                )  # fmt: skip


def _pyspark(inspection: Inspection) -> tuple[str, set[str]]:
    """The minor version of PySpark where all pins of the repository agree in it, and the folders that pin it."""
    found: set[str] = set()
    folders: set[str] = set()
    for facts in (inspection.of(FACTS), inspection.of("pyproject-requirements")):
        for path, told in facts.items():
            for one in map(Line.of, told["lines"]):
                if one.name in ("pyspark", "databricks-connect"):
                    there = version(one.pin) if one.name == "pyspark" and one.pin else None
                    folders.add(path.rpartition("/")[0])
                    found.add(".".join(map(str, there.release[:2])) if there and len(there.release) > 1 else "")
    return (found.pop() if len(found) == 1 else "", folders)


def _mixed(path: str, artifacts: list[Any], spark: str) -> Iterator[Finding]:
    first: dict[int, str] = {}
    fits = _SCALA.get(int(spark.partition(".")[0])) if spark else None
    for group, name, scala, release, line in artifacts:
        other = first.setdefault(line, scala)
        if fits and scala != fits:
            yield Finding(
                "ILK-DP008", Severity.WARNING if is_less_serious(path) else Severity.ERROR, Place(path, line, line),
                f"'{group}:{name}_{scala}:{release}' is built for Scala {scala}, and pyspark {spark} runs on {fits}",
                f"Write {name}_{fits}.",
            )  # fmt: skip
        elif other != scala:
            yield Finding(
                "ILK-DP008", Severity.ERROR, Place(path, line, line),
                f"packages for Scala {other} and for Scala {scala} are loaded together ({name}_{scala})",
                "Take all of them for the Scala that Spark is built with.",
            )  # fmt: skip


def _spark_of(group: str, name: str, release: str) -> str:
    minor = ".".join(release.split(".")[:2])
    if group == "org.apache.spark":
        return minor
    if group == "io.delta" and name in ("delta-core", "delta-spark"):
        return _DELTA.get(minor, "")
    match = re.fullmatch(r"iceberg-spark-runtime-(\d+\.\d+)", name) if group == "org.apache.iceberg" else None
    return match[1] if match else ""


FAMILY = Family(
    "dependencies-spark",
    (
        Rule("ILK-DP007", "artifact-for-another-spark", "a Java package is made for another Spark", Severity.WARNING),
        Rule("ILK-DP008", "artifact-for-another-scala", "a Java package is built for another Scala"),
    ),
    facts=(FileFacts(_ARTIFACTS, _PATTERNS, artifact_facts),),
    project_checks=(check_artifacts,),
)
