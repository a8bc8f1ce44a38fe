"""What one Terraform file declares, calls and refers to, as JSON: for rules that see a whole module folder."""

import json
import re
from collections.abc import Iterator, Mapping
from posixpath import dirname, normpath
from typing import Any

from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.terraform_resources import STATEFUL
from interlock.rules.terraform_syntax import Argument, Block, Token, all_tokens, parse, value_of

FACTS = "terraform"
PATTERNS = ("*.tf", "*.tf.json")
LOCK_NAME = ".terraform.lock.hcl"
_META = {"source", "version", "providers", "count", "for_each", "depends_on"}
_LISTS = ("resource", "data", "variable", "local", "module", "output", "provider", "required", "core", "moved", "refs")
_PROVIDERS = frozenset(
    {
        "aws", "google", "azurerm", "azuread", "snowflake", "databricks", "kafka", "confluent",
        "kubernetes", "helm", "random", "null", "local", "tls", "archive", "time", "template", "github",
        "datadog", "postgresql", "mysql", "vault", "http", "external", "mongodbatlas", "newrelic",
        "pagerduty", "cloudflare", "digitalocean", "fivetran", "airbyte", "astro", "dbtcloud", "awscc",
        "azapi",
    }
)  # fmt: skip


def installed(path: str) -> bool:
    """Whether a file lies where ``terraform init`` puts other people's modules."""
    return "/.terraform/" in f"/{path}"


def facts_of(file: SourceFile) -> dict[str, Any] | None:
    """Declarations with their lines, and references as [root, name, attribute, line, surely looked at]."""
    if installed(file.path):
        return None
    if file.path.endswith(".json"):
        return _json_facts(file)
    parsed = parse(file.text)
    found: dict[str, Any] = {one: [] for one in _LISTS}
    found["complete"] = parsed.complete
    bound = {"value", "key", "each", "self"}
    for block in parsed.body.walk():
        if block.type == "dynamic":
            bound |= {*block.labels, *(one.text for a in [block.arguments.get("iterator")] if a for one in a.tokens)}
    for block in parsed.body.blocks:
        _declare(found, block)
        if block.type not in ("import", "removed", "moved"):
            for argument in _arguments(block):
                # Terraform leaves providers out that nothing uses, and never looks at what they refer to.
                found["refs"] += [[*one, block.type != "provider"] for one in _references(argument, bound)]
    return found


def _declare(found: dict[str, Any], block: Block) -> None:
    place = [block.line, block.end_line]
    labels = list(block.labels)
    match block.type, len(labels):
        case "resource", 2:
            found["resource"].append([*labels, *place, _state(block)])
        case (("data" | "ephemeral"), 2):
            found["data"].append([*labels, *place])
        case "variable", 1:
            found["variable"].append([labels[0], *place, "default" not in block.arguments])
        case "locals", 0:
            found["local"] += [[one.name, one.line, one.end_line] for one in block.arguments.values()]
        case "output", 1:
            found["output"].append([labels[0], *place])
        case "module", 1:
            source = block.value("source")
            arguments = [[a.name, a.line, a.end_line] for a in block.arguments.values() if a.name not in _META]
            found["module"].append([labels[0], *place, source if isinstance(source, str) else "", arguments])
        case "provider", 1:
            found["provider"].append([labels[0], *place, "version" in block.arguments])
        case "terraform", 0:
            found["backend"] = bool(block.of("backend") or block.of("cloud")) or found.get("backend", False)
            core = block.arguments.get("required_version")
            if core and isinstance(block.value("required_version"), str):
                found["core"].append([block.value("required_version"), core.line, core.end_line])
            for one in block.of("required_providers"):
                found["required"] += [_required(argument) for argument in one.arguments.values()]
        case (("moved" | "removed"), 0):
            source = block.arguments.get("from")
            if source:
                found["moved"].append(["".join(one.text for one in source.tokens), *place])


def _required(argument: Argument) -> list[Any]:
    """[local name, whether a constraint is there, source, constraint, line, last line]; "" for what is not known."""
    tokens = argument.tokens
    constrained = tokens[0].kind == "text" or any(one.text == "version" for one in tokens)
    value = value_of(tokens)
    told = {"version": value} if isinstance(value, str) else value if isinstance(value, dict) else {}
    source, version = (one if isinstance(one := told.get(name), str) else "" for name in ("source", "version"))
    return [argument.name, constrained, source, version, argument.line, argument.end_line]


def _state(block: Block) -> dict[str, Any] | None:
    """What decides whether a plan replaces or may destroy a resource that holds data. Never a secret."""
    forces = STATEFUL.get(block.labels[0])
    if forces is None:
        return None
    values = {name: block.value(name) for name in forces if name in block.arguments}
    guards = [name for name in ("deletion_protection", "deletion_protection_enabled") if block.value(name) is True] + [
        f"lifecycle.{name}" for one in block.of("lifecycle") for name in ("prevent_destroy",) if one.value(name) is True
    ]
    known = {name: value for name, value in values.items() if isinstance(value, str | bool | int) and value != "\0"}
    return {"forces": {k: v for k, v in known.items() if "\0" not in str(v)}, "guards": guards}


def _arguments(block: Block) -> Iterator[Argument]:
    for one in block.walk():
        for argument in one.arguments.values():
            if argument.name != "ignore_changes" and not (one.type == "dynamic" and argument.name == "iterator"):
                yield argument


def _references(argument: Argument, bound: set[str]) -> Iterator[list[Any]]:
    runs = list(all_tokens(argument.tokens))
    loops = {
        run[at + step].text for run in runs for at, one in enumerate(run) if one.kind == "id" and one.text == "for"
        for step in (1, 3) if at + step < len(run)
    }  # fmt: skip
    for tokens in runs:
        for at, one in enumerate(tokens):
            starts = one.kind == "id" and (at == 0 or tokens[at - 1].text != "." or tokens[at - 1].kind != "op")
            if starts and one.text not in loops and one.text not in bound:
                names = _dotted(tokens, at)
                told = _reference(names)
                if told:
                    yield [*told, one.line]


def _dotted(tokens: tuple[Token, ...], at: int) -> list[str]:
    names = [tokens[at].text]
    while at + 2 < len(tokens) and tokens[at + 1][:2] == ("op", ".") and tokens[at + 2].kind == "id" and len(names) < 4:
        names.append(tokens[at + 2].text)
        at += 2
    if len(names) > 1 and at + 1 < len(tokens) and tokens[at + 1][:2] == ("op", "::"):
        return []
    return names


def _reference(names: list[str]) -> list[str] | None:
    match names:
        case ["var" | "local", name, *_]:
            return [names[0], name, ""]
        case ["module", name, *rest]:
            return ["module", name, rest[0] if rest else ""]
        case ["data" | "ephemeral", kind, name, *_]:
            return ["data", kind, name]
        case [kind, name, *_] if "_" in kind and kind.partition("_")[0] in _PROVIDERS:
            return ["resource", kind, name]
    return None


def _json_facts(file: SourceFile) -> dict[str, Any]:
    """Only what is declared: enough that other files' references to it are known."""
    found: dict[str, Any] = {one: [] for one in _LISTS}
    data = file.data
    found["complete"] = isinstance(data, dict)
    for kind, held in data.items() if isinstance(data, dict) else ():
        for part in held if isinstance(held, list) else [held]:
            if isinstance(part, dict):
                _declare_json(found, kind, part)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def _declare_json(found: dict[str, Any], kind: str, part: dict[str, Any]) -> None:
    for name, body in part.items():
        if kind in ("resource", "data"):
            parts = [one for one in (body if isinstance(body, list) else [body]) if isinstance(one, dict)]
            found[kind] += [
                [name, below, 1, 1, *([None] if kind == "resource" else [])] for one in parts for below in one
            ]
        elif kind == "variable":
            found[kind].append([name, 1, 1, not (isinstance(body, dict) and "default" in body)])
        elif kind == "output":
            found[kind].append([name, 1, 1])
        elif kind == "locals":
            found["local"].append([name, 1, 1])
        elif kind == "module":
            source = body.get("source") if isinstance(body, dict) else None
            found[kind].append([name, 1, 1, source if isinstance(source, str) else "", []])


class Folder:
    """All files of one module folder. ``complete``: every one of them was understood."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.files: dict[str, dict[str, Any]] = {}

    @property
    def complete(self) -> bool:
        """Whether what no file declares is surely not declared."""
        return all(one["complete"] for one in self.files.values())

    def all(self, kind: str) -> Iterator[tuple[str, list[Any]]]:
        """Every declaration of a kind with its file."""
        for path, facts in self.files.items():
            for one in facts[kind]:
                yield path, one

    def names(self, kind: str) -> set[str]:
        """The names of variables, locals, modules or outputs."""
        return {one[0] for _, one in self.all(kind)}


# Files there are pieces that something else puts together, or shows: no folder of them is a module.
_PIECES = re.compile(r"(?:^|/)(?:docs?|fixtures?|snippets?|templates?|testdata|test-data|archived?|deprecated)(?:/|$)")


def folders_of(inspection: Inspection) -> dict[str, Folder]:
    """The module folders of a project, by path ("" is the root)."""
    return folders_from(inspection.of(FACTS))


def folders_from(told: Mapping[str, Any]) -> dict[str, Folder]:
    """The module folders that these facts, by path of their file, tell of."""
    folders: dict[str, Folder] = {}
    for path, facts in told.items():
        folder = dirname(path)
        if _PIECES.search(folder):
            continue
        folders.setdefault(folder, Folder(folder)).files[path] = facts
    return folders


def local_source(folder: str, source: str) -> str | None:
    """The folder that a module call names, relative to the project; None where it is no folder of the project."""
    if not source.startswith(("./", "../")) or "\0" in source or "//" in source:
        return None
    path = normpath(f"{folder}/{source}" if folder else source)
    if path == ".." or path.startswith("../"):
        return None
    return "" if path == "." else path


def closure_of(root: Folder, folders: Mapping[str, Folder]) -> list[Folder]:
    """A module folder and those of the project that it calls, through others too, itself first."""
    found = {root.path: root}
    queue = [root]
    for folder in queue:
        for _, call in folder.all("module"):
            source = local_source(folder.path, call[3])
            target = folders.get(source) if source is not None else None
            if target is not None and target.path not in found:
                found[target.path] = target
                queue.append(target)
    return list(found.values())
