"""The documentation says what is there: commands, options, JSON fields, keys, paths and functions."""

import importlib
import json
import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pydantic_core import PydanticUndefined

from interlock.cli.main import COMMANDS, make_app
from interlock.config import load_config
from interlock.config import models as shape
from interlock.model import errors
from interlock.model.events import EventType

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
GOLDEN = ROOT / "tests" / "scenarios" / "golden"
COMMON = {"--project", "-C", "--json", "--verbose", "-v"}
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
# Written when the figures are measured, which is not part of every change.
LATER = {DOCS / "benchmarks.md", DOCS / "benchmarks-public.md", DOCS / "benchmarks-catches.md"}


@cache
def text_of(page: str) -> str:
    return (DOCS / page).read_text()


def sections(text: str, level: str = "##") -> dict[str, str]:
    """What stands under each heading of this level, by heading without backticks."""
    parts = re.split(rf"^{level} (.+)$", text, flags=re.MULTILINE)
    return {title.replace("`", "").strip(): body for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def rows(text: str) -> list[list[str]]:
    """The cells of the first table in ``text``, without its head."""
    table = []
    for line in text.lstrip("\n").splitlines():
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table[2:]


def first_table(text: str, head: str) -> list[list[str]]:
    found = re.search(rf"^\| {head} \|", text, re.MULTILINE)
    return rows(text[found.start() :]) if found else []


# -- commands


def commands() -> dict[str, Any]:
    """Every command with what typer made of it: ``deploy``, ``release show`` …"""
    found: dict[str, Any] = {}
    for name in COMMANDS:
        made = typer.main.get_command(make_app(name)).commands[name]
        inner = getattr(made, "commands", None)
        found |= {f"{name} {sub}": one for sub, one in inner.items()} if inner else {name: made}
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_a_section_with_exactly_its_options(name):
    described = sections(text_of("cli.md"))
    assert f"interlock {name}" in described, f"docs/cli.md has no section 'interlock {name}'"
    section = described[f"interlock {name}"]
    parameters = commands()[name].params
    real = {word for p in parameters if p.param_type_name == "option" for word in (*p.opts, *p.secondary_opts)}
    real -= {"--help", "-h"}
    documented = {word for row in first_table(section, "option") for word in re.findall(r"`(-[^`]+)`", row[0])}
    assert documented == real - COMMON
    missing = {option for option in COMMON if option.startswith("--")} - real
    assert all(f"does not take `{option}`" in section for option in missing)


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_argument_is_named_in_the_command_line_that_is_shown(name):
    section = sections(text_of("cli.md"))[f"interlock {name}"]
    for parameter in commands()[name].params:
        if parameter.param_type_name == "argument":
            assert parameter.name.upper() in section, parameter.name


def test_no_section_describes_a_command_that_is_not_there():
    described = {title for title in sections(text_of("cli.md")) if title.startswith("interlock ")}
    assert described == {f"interlock {name}" for name in commands()}


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_a_golden_file_whose_kind_its_section_names(name):
    own = [one for one in golden().values() if f"{one['command']} ".startswith(f"interlock {name} ")]
    kinds = {one["output"]["kind"] for one in own} - {"error"}
    assert kinds, f"no golden file of 'interlock {name}': add it to tests/scenarios/test_json_contract.py"
    section = sections(text_of("cli.md"))[f"interlock {name}"]
    assert all(f"kind `{kind}`" in section for kind in kinds), kinds


# -- JSON


@cache
def golden() -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(GOLDEN.glob("*.json"))}


@cache
def tables(word: str) -> dict[str, dict[str, str]]:
    """Tables that follow ``JSON, kind `x`:`` or ``Object `x`:``, as field to type."""
    text = text_of("cli.md")
    found: dict[str, dict[str, str]] = {}
    for match in re.finditer(rf"^{word} `([\w. ]+)`:$", text, re.MULTILINE):
        assert match[1] not in found, f"{match[1]} is described twice"
        found[match[1]] = {row[0].strip("`"): row[1] for row in rows(text[match.end() :])}
    return found


def problems(value: Any, wanted: str, at: str, seen: set[str]) -> list[str]:
    """Where a golden value and its documented type disagree. ``seen`` collects the objects that were met."""
    simple = {"text": str, "number": (int, float), "yes/no": bool}
    if wanted.endswith(" or null"):
        return [] if value is None else problems(value, wanted.removesuffix(" or null"), at, seen)
    if wanted.startswith("list of "):
        if not isinstance(value, list):
            return [f"{at} is no list"]
        return [p for one in value for p in problems(one, wanted.removeprefix("list of "), f"{at}[]", seen)]
    if wanted in simple:
        right = isinstance(value, simple[wanted]) and (wanted == "yes/no" or not isinstance(value, bool))
        return [] if right else [f"{at} is {type(value).__name__}, documented as {wanted}"]
    if wanted == "map":
        return [] if isinstance(value, dict) or str(value).startswith("<") else [f"{at} is no map"]
    fields = tables("Object").get(wanted)
    if fields is None:
        return [f"{at}: docs/cli.md has no table 'Object `{wanted}`'"]
    seen.add(wanted)
    return fields_of(value, fields, at, seen)


def fields_of(value: dict[str, Any], fields: dict[str, str], at: str, seen: set[str]) -> list[str]:
    found = [f"{at}.{name} is printed and not documented" for name in value.keys() - fields.keys()]
    found += [f"{at}.{name} is documented and not printed" for name in fields.keys() - value.keys()]
    for name in value.keys() & fields.keys():
        found += problems(value[name], fields[name], f"{at}.{name}", seen)
    return found


def test_every_field_that_is_printed_is_documented_with_its_type_and_the_other_way_round():
    kinds, seen, wrong = tables("JSON, kind"), set(), []
    assert {one["output"]["kind"] for one in golden().values()} == kinds.keys()
    for name, one in golden().items():
        output = {k: v for k, v in one["output"].items() if k not in ("version", "kind")}
        wrong += [f"{name}: {p}" for p in fields_of(output, kinds[one["output"]["kind"]], "", seen)]
    assert not wrong, "\n".join(wrong)
    assert seen == tables("Object").keys(), "an object that no golden file shows is a promise that nothing tests"


def test_every_exit_code_of_an_error_is_documented():
    documented = {int(row[0]) for row in first_table(text_of("cli.md"), "code")}
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.InterlockError)]
    assert {c.exit_code for c in classes} <= documented


# -- configuration

MODELS = {
    "The file": shape.ProjectConfig,
    "airflow": shape.AirflowSection,
    "dbt": shape.DbtSection,
    "spark": shape.SparkSection,
    "terraform": shape.TerraformSection,
    "retention of terraform": shape.TerraformRetention,
    "schemas": shape.SchemasSection,
    "tests": shape.OwnTests,
    "pytest": shape.PytestSuite,
    "quarantine": shape.Quarantine,
    "runtimes": shape.RuntimeConfig,
    "environments": shape.Environment,
    "airflow of an environment": shape.AirflowTarget,
    "api": shape.AirflowApi,
    "spark of an environment": shape.SparkTarget,
    "dbt of an environment": shape.DbtTarget,
    "warehouse with type: duckdb": shape.DuckDbWarehouse,
    "warehouse with type: postgres": shape.PostgresWarehouse,
    "values": shape.ValueDeclaration,
    "gates": shape.GatePolicy,
    "row_count": shape.RowCountGate,
    "null_rate": shape.NullRateGate,
    "freshness": shape.FreshnessGate,
    "compare": shape.CompareGate,
}


def configuration_sections() -> dict[str, str]:
    return {**sections(text_of("configuration.md")), **sections(text_of("configuration.md"), "###")}


def test_every_model_of_the_configuration_has_a_section():
    models = {m for m in vars(shape).values() if isinstance(m, type) and issubclass(m, shape.Model)} - {shape.Model}
    assert models == set(MODELS.values())


@pytest.mark.parametrize("title", MODELS)
def test_every_key_is_documented_with_its_default(title):
    real = {field.alias or name: shown(field) for name, field in MODELS[title].model_fields.items()}
    documented = {row[0].strip("`"): row[2].strip("`") for row in first_table(configuration_sections()[title], "key")}
    assert documented == real


def shown(field: Any) -> str:
    """A default as the page writes it."""
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, shape.Model):
        return "on"
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        return next(
            f"{seconds // size}{unit}" for unit, size in (("d", 86400), ("m", 60), ("s", 1)) if not seconds % size
        )
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_complete_example_is_valid_and_leaves_no_key_out(tmp_path):
    example = re.search(r"^```yaml\n(version: 1\n.*?)^```$", text_of("configuration.md"), re.MULTILINE | re.DOTALL)
    (tmp_path / "interlock.yaml").write_text(example[1])
    config = load_config(tmp_path)
    assert config.environments["prod"].after == "dev"
    words = set(re.findall(r"[{\s]([a-z_]+):", " " + example[1]))
    keys = {f.alias or n for model in MODELS.values() for n, f in model.model_fields.items()}
    assert keys <= words, keys - words


# -- what the pages name

_PATH = re.compile(r"`((?:src|tests|examples|docs|benches)/[\w./-]+)`")
_LAYERS = "cli|views|engine|gates|planning|release|adapters|suites|catalog|runtimes|ledger|config|model|rules"
_NAME = re.compile(rf"`((?:{_LAYERS})(?:\.\w+)+)(?:\(\))?`")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_path_and_link_leads_somewhere(page):
    text = page.read_text()
    missing = [path for path in _PATH.findall(text) if not (ROOT / path).exists() and ROOT / path not in LATER]
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        place = page.parent / target
        if not place.exists() and place.resolve() not in LATER:
            missing.append(target)
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_anchor_is_a_heading(page):
    wrong = []
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        other = page.parent / target if target else page
        headings = re.findall(r"^#+ (.+)$", other.read_text(), re.MULTILINE)
        if anchor not in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}:
            wrong.append(f"{target}#{anchor}")
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_function_that_a_page_names_exists(page):
    words = {*EventType, *tables("JSON, kind")}
    assert not [name for name in _NAME.findall(page.read_text()) if name not in words and not exists(name)]


def exists(name: str) -> bool:
    """Whether ``engine.walk.walk`` or ``engine.executor.Executor.undo`` is there, or is a module."""
    words = name.split(".")
    for cut in range(len(words), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(["interlock", *words[:cut]]))
        except ModuleNotFoundError:
            continue
        for word in words[cut:]:
            if not hasattr(found, word) and word not in getattr(found, "__annotations__", {}):
                return False
            found = getattr(found, word, None)
        return True
    return False


def test_a_name_that_does_not_exist_is_noticed():
    assert exists("engine.walk.walk") and exists("engine.executor.Executor.undo")
    assert not exists("engine.walk.run") and not exists("engine.nothing.walk")


def test_the_architecture_page_names_much_of_what_it_walks_through():
    assert len(set(_NAME.findall(text_of("architecture.md")))) >= 30
