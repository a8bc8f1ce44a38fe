"""Which rules these are: what a cache keeps is of use to the very same ones alone."""

import hashlib
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

# What rules leave to others: with another version of these a rule may say something else.
_TOOLS = ("avro", "duckdb", "jinja2", "pglast", "proto-schema-parser", "pyyaml", "ruff", "sqlglot")
# What rules are made of: they read the catalog and the configuration, and some ask a worker.
_PACKAGES = ("catalog", "config", "model", "rules", "runtimes", "suites")


@cache
def version() -> str:
    """A digest of the rules, of what they stand on, of their tools, and of the Python that runs them."""
    told = hashlib.sha256(" ".join((sys.version, *map(metadata.version, _TOOLS))).encode())
    above = Path(__file__).parent.parent
    for path in sorted(file for package in _PACKAGES for file in (above / package).rglob("*.py")):
        told.update(hashlib.sha256(path.read_bytes()).digest())
    return told.hexdigest()[:16]
