"""The interlock.yaml that ``init`` writes: what was found, a line of explanation a section, doubts as comments."""

import json

from interlock.catalog.discover import Found

_ENVIRONMENTS = ("dev", "staging", "prod")


def config_text(found: Found) -> str:
    """A valid interlock.yaml for what was found, with a DuckDB warehouse on this machine until another is named."""
    lines = ["# Written by 'interlock init'. Every key: interlock init --schema"]
    lines += [f"# Unsure: {line}" for line in found.unsure]
    lines += ["version: 1", f"project: {found.name}", ""]
    if found.dags:
        lines += ["airflow:", f"  dags: {_text(found.dags)}", "  runtime: airflow"]
    if found.dbt:
        lines += ["dbt:", f"  project: {_text(found.dbt)}", "  runtime: dbt"]
    if found.jobs or found.streams:
        lines += ["spark:", "  runtime: spark"]
        lines += [
            f"  {key}: {_list(paths)}" for key, paths in (("jobs", found.jobs), ("streams", found.streams)) if paths
        ]
    lines += [
        "",
        "# Each runtime is locked with hashes and built once per lock; or name an interpreter: {interpreter: PATH}",
    ]
    lines += ["runtimes:"]
    for name in found.runtimes:
        parts = ['python: "3.11"', f"lock: {_text(found.locks.get(name, f'runtimes/{name}.lock'))}"]
        if name in found.requirements:
            parts.append(f"requirements: {_text(found.requirements[name])}")
        lines.append(f"  {name}: {{{', '.join(parts)}}}")
    lines += ["", "ledger: sqlite:///.interlock/ledger.db", "artifacts: .interlock/artifacts", "", "environments:"]
    for number, name in enumerate(_ENVIRONMENTS):
        lines.append(f"  {name}:")
        if number:
            lines.append(f"    after: {_ENVIRONMENTS[number - 1]}")
        folder = f".interlock/env/{name}"
        if found.dags:
            lines.append(f"    airflow: {{root: {folder}/airflow}}")
        if found.jobs or found.streams:
            lines.append(f"    spark: {{root: {folder}/spark}}")
        if found.dbt:
            lines.append(f"    dbt: {{root: {folder}/dbt}}")
            lines.append(f"    warehouse: {{type: duckdb, path: {folder}/warehouse.duckdb}}")
    return "\n".join(lines) + "\n"


def _list(paths: list[str]) -> str:
    return "[" + ", ".join(_text(p) for p in paths) + "]"


def _text(value: str) -> str:
    """A YAML scalar: plain where that is safe, quoted where not."""
    return (
        value
        if value.replace("/", "").replace("_", "").replace("-", "").replace(".", "").isalnum()
        else json.dumps(value)
    )
