"""Read interlock.yaml and say exactly what is wrong with it."""

import difflib
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from interlock.config.models import Environment, ProjectConfig
from interlock.config.places import KeyPath, read_yaml
from interlock.model.errors import ConfigError, Place

FILE_NAME = "interlock.yaml"


def load_config(root: Path) -> ProjectConfig:
    """The project's configuration. Raises ``ConfigError`` naming every mistake with file, line, key and expectation."""
    document, lines = read_yaml(root / FILE_NAME)
    if not isinstance(document, dict):
        raise ConfigError(
            f"{FILE_NAME} holds no mapping", remedy="run 'interlock init' to write one", place=Place(FILE_NAME, 1)
        )
    try:
        config = ProjectConfig.model_validate(document)
    except ValidationError as error:
        raise _failure([_problem(e, lines, document) for e in error.errors()]) from None
    problems = [*_references(config, lines), *_values(config, lines)]
    if problems:
        raise _failure(problems)
    return config


def json_schema() -> dict[str, Any]:
    """The JSON Schema of interlock.yaml, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ProjectConfig.model_json_schema(by_alias=True)}


def _failure(problems: list[tuple[int, str]]) -> ConfigError:
    ordered = sorted(problems)
    listed = tuple(f"{FILE_NAME}:{line}: {text}" if line else f"{FILE_NAME}: {text}" for line, text in ordered)
    count = "a mistake" if len(listed) == 1 else f"{len(listed)} mistakes"
    return ConfigError(
        f"{FILE_NAME} has {count}",
        problems=listed,
        remedy="correct the lines named above; 'interlock init --schema' prints the JSON Schema for your editor",
        place=Place(FILE_NAME, ordered[0][0]),
    )


def _line(path: KeyPath, lines: dict[KeyPath, int]) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)


def _problem(error: Any, lines: dict[KeyPath, int], document: Any) -> tuple[int, str]:
    path = _document_path(tuple(error["loc"]), document)
    key = ".".join(str(p) for p in path) or "the file"
    line = _line(path, lines)
    if error["type"] == "extra_forbidden":
        known = _fields_at(path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known here: {', '.join(sorted(known))}" if known else ""
        return line, f"{key}: unknown key{hint}"
    if error["type"] == "missing":
        return line, f"{key}: is missing"
    message = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    shown = f" (found {given!r})" if isinstance(given, (str, int, float, bool)) and len(str(given)) < 60 else ""
    return line, f"{key}: {message[0].lower()}{message[1:]}{shown}"


def _document_path(loc: KeyPath, document: Any) -> KeyPath:
    """Pydantic's location without the tags that it adds for unions: only keys that a person wrote (or forgot)."""
    path: list[str | int] = []
    here = document
    for index, part in enumerate(loc):
        if isinstance(here, dict) and part in here:
            here = here[part]
        elif isinstance(here, list):
            here = here[int(part)] if int(part) < len(here) else None
        elif index < len(loc) - 1:
            continue
        path.append(part)
    return tuple(path)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, dict, tuple, list) or hasattr(annotation, "__metadata__"):
        return [m for a in get_args(annotation) for m in _models_in(a)]
    return []


def _fields_at(path: KeyPath) -> list[str]:
    """The keys that may stand at ``path``."""
    models: list[type[BaseModel]] = [ProjectConfig]
    for part in path:
        found = []
        for model in models:
            field = model.model_fields.get(str(part)) or next(
                (f for f in model.model_fields.values() if f.alias == part), None
            )
            found += _models_in(field.annotation) if field else []
        models = found or models  # the part is a free name, as in 'environments.dev'
    return [f.alias or name for model in models for name, f in model.model_fields.items()]


def _references(config: ProjectConfig, lines: dict[KeyPath, int]) -> list[tuple[int, str]]:
    """Names that must exist: runtimes, environments; and no circle in ``after``."""
    found: list[tuple[int, str]] = []

    def must_exist(path: KeyPath, name: str, known: Any, what: str) -> None:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"
            text = f"{'.'.join(map(str, path))}: there is no {what} {name!r}; {hint}"
            found.append((_line(path, lines), text))

    for section in ("airflow", "dbt", "spark"):
        value = getattr(config, section)
        if value is not None:
            must_exist((section, "runtime"), value.runtime, config.runtimes, "runtime")
    for index, suite in enumerate(config.tests.pytest if config.tests else ()):
        must_exist(("tests", "pytest", index, "runtime"), suite.runtime, config.runtimes, "runtime")
    if config.tests is not None and config.tests.dbt and config.dbt is None:
        found.append((_line(("tests", "dbt"), lines), "tests.dbt: there is no section 'dbt' with unit tests to run"))
    for name, environment in config.environments.items():
        if environment.after is not None:
            must_exist(("environments", name, "after"), environment.after, config.environments, "environment")
            if _circle(name, config.environments):
                found.append(
                    (_line(("environments", name, "after"), lines), f"environments.{name}.after: runs in a circle")
                )
    return found


def _circle(start: str, environments: dict[str, Environment]) -> bool:
    seen = {start}
    at = environments[start].after
    while at is not None and at in environments:
        if at in seen:
            return True
        seen.add(at)
        at = environments[at].after
    return False


_PYTHON: dict[str, Any] = {"string": str, "secret": str, "boolean": bool, "integer": int, "number": (int, float)}


def _values(config: ProjectConfig, lines: dict[KeyPath, int]) -> list[tuple[int, str]]:
    """Every declared value stands in every environment, with its type; a secret is a reference."""
    found: list[tuple[int, str]] = []
    for env_name, environment in config.environments.items():
        base: KeyPath = ("environments", env_name, "values")
        for name in environment.values.keys() - config.values.keys():
            near = difflib.get_close_matches(name, list(config.values), 1)
            hint = f"; did you mean {near[0]!r}?" if near else "; declare it under 'values'"
            found.append((_line((*base, name), lines), f"{'.'.join(map(str, base))}.{name}: is not declared{hint}"))
        for name, declared in config.values.items():
            path = f"{'.'.join(map(str, base))}.{name}"
            if name not in environment.values:
                if declared.default is None:
                    found.append((_line(base, lines), f"{path}: is declared without a default, and not set here"))
                continue
            given, line = environment.values[name], _line((*base, name), lines)
            if not isinstance(given, _PYTHON[declared.type]) or (
                isinstance(given, bool) and declared.type != "boolean"
            ):
                found.append((line, f"{path}: a {declared.type} was expected"))
            elif declared.type == "secret" and not str(given).startswith(("env:", "ssm:", "secretsmanager:")):
                found.append((line, f"{path}: a secret must be a reference such as env:NAME, never the value itself"))
            elif declared.choices and given not in declared.choices:
                found.append((line, f"{path}: one of {', '.join(declared.choices)} was expected (found {given!r})"))
            elif isinstance(given, (int, float)) and not isinstance(given, bool):
                if declared.min is not None and given < declared.min:
                    found.append((line, f"{path}: at least {declared.min:g} was expected (found {given})"))
                if declared.max is not None and given > declared.max:
                    found.append((line, f"{path}: at most {declared.max:g} was expected (found {given})"))
    return found
