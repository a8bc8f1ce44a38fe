"""What a file's path says of how much a mistake in it weighs: vendored copies, lock files, tests, documentation."""

import re

from interlock.model.findings import Severity

_ORDER = list(Severity)
_LESS = frozenset(
    {"doc", "docs", "documentation", "test", "tests", "testing", "testdata", "test_data", "fixtures", "fixture",
     "example", "examples", "sample", "samples", "tutorial", "tutorials", "demo", "demos", "spec", "__tests__",
     "integration_tests", "e2e", "mocks", "benchmark", "benchmarks", "lab", "labs", "notebooks", "playground",
     "sandbox"}
)  # fmt: skip
_VENDORED = frozenset(
    {"dbt_packages", "dbt_modules", "dbt_internal_packages", "node_modules", "site-packages", "vendor", "vendored",
     "third_party", "bower_components", "target", ".terraform", "dist"}
)  # fmt: skip
_BROKEN_ON_PURPOSE = re.compile(r"(?:^|[/_.\-])(?:invalid|malformed|broken|corrupt(?:ed)?|bad|not_valid)(?:[/_.\-]|$)")
_TEST_FILE = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|[^/]*\.test|[^/]*\.spec)\.\w+$")
_PROSE = (".md", ".rst", ".adoc")
_LOCKS = re.compile(
    r"(?:^|/)(?:package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.ya?ml|yarn\.lock|poetry\.lock|uv\.lock|Pipfile\.lock|"
    r"package-lock\.ya?ml|conda-lock\.ya?ml|\.secrets\.baseline|composer\.lock|manifest\.json|catalog\.json|"
    r"run_results\.json|partial_parse\.\w+|[^/]*\.lock|[^/]*\.min\.\w+|[^/]*-lock\.\w+)$"
)


def is_less_serious(path: str) -> bool:
    """Whether the file is a test, an example or documentation: what stands there runs nowhere."""
    return bool(
        path.lower().endswith(_PROSE)
        or _LESS & set(path.lower().split("/")[:-1])
        or _TEST_FILE.search(path)
        or re.search(r"(?:\.|_|-)(?:example|sample|template|dist)(?:\.|$)", path.rpartition("/")[2].lower())
    )


def weighed(severity: Severity, path: str) -> Severity:
    """The severity, one step lower in tests, examples and documentation."""
    if not is_less_serious(path):
        return severity
    return _ORDER[min(_ORDER.index(severity) + 1, len(_ORDER) - 1)]


def is_foreign(path: str) -> bool:
    """Whether a tool put the file there: packages of others, build results, locks."""
    return bool(_VENDORED & set(path.split("/")[:-1]) or _LOCKS.search(path))


def is_broken_on_purpose(path: str) -> bool:
    """Whether the path says that the file is meant to be wrong, or is a template of a file."""
    parts = path.lower().split("/")
    return bool(
        "{{" in path
        or {"fixtures", "testdata", "test_data", "fixture", "cookiecutter"} & set(parts[:-1])
        or _BROKEN_ON_PURPOSE.search(path.lower())
    )
