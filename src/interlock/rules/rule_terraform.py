"""Rules about what ``terraform validate`` would refuse, told from the text without Terraform or its providers."""

import json
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, FileCheck, FileFacts, Held, Rule
from interlock.rules.terraform_facts import FACTS, PATTERNS, Folder, facts_of, folders_of, installed, local_source
from interlock.rules.terraform_syntax import parse

_OVERRIDE = re.compile(r"(?:^|[/_])override\.tf(?:\.json)?$")
# Files that other tools turn into Terraform's, or that change what a folder declares: then nothing is surely missing.
_GENERATING = (".tf.tmpl", ".tf.tpl", ".tf.j2", ".tf.jinja", ".tf.erb", ".tofu", ".tf.jsonnet", ".tftpl.tf")
_WORDS = {"var": "variable", "local": "local value", "module": "module", "data": "data source", "resource": "resource"}


def check_syntax(file: SourceFile) -> Iterator[Finding]:
    """ILK-TF001 and ILK-TF002."""
    if installed(file.path):
        return
    if file.path.endswith(".json"):
        if file.data is None and file.source.strip():
            try:
                json.loads(file.text)
            except json.JSONDecodeError as error:
                yield file.finding(
                    "ILK-TF001", error.lineno, f"Terraform cannot read the file: {error.msg}", "Mend its JSON.",
                    column=error.colno,
                )  # fmt: skip
            except (ValueError, RecursionError):
                return
        return
    parsed = parse(file.text)
    if parsed.broken:
        line, why = parsed.broken
        yield file.finding(
            "ILK-TF001", line, f"Terraform cannot read the file: {why}", "Close it, or take away what is too much."
        )
    for argument in parsed.chained:
        yield file.finding(
            "ILK-TF002", argument.line, f"the value that '{argument.name}' is given holds a second '='",
            f"Write one argument a line: {argument.name} = value.", end_line=argument.end_line,
        )  # fmt: skip
    for block in parsed.body.walk():
        for argument in block.twice:
            where = " ".join((block.type, *block.labels)) or "the file"
            # Terraform 0.11 took blocks that are written as arguments, and merged them.
            old = argument.tokens[0].text == "{" and argument.tokens[0].kind == "op"
            yield file.finding(
                "ILK-TF002", argument.line, f"'{argument.name}' is set twice in '{where}'",
                f"Keep one '{argument.name}'.", end_line=argument.end_line,
                severity=Severity.WARNING if old else Severity.ERROR,
            )  # fmt: skip


def duplicates(inspection: Inspection) -> Iterator[Finding]:
    """ILK-TF003: one address declared twice in a folder. Override files are meant to declare again."""
    for folder in folders_of(inspection).values():
        for kind, size in (("resource", 2), ("data", 2), ("variable", 1), ("local", 1), ("module", 1), ("output", 1)):
            first: dict[tuple[str, ...], str] = {}
            for path, one in folder.all(kind):
                if _OVERRIDE.search(path):
                    continue
                name = tuple(one[:size])
                if name in first:
                    address = ".".join(name)
                    summary = f"the {_WORDS.get(kind, kind)} '{address}' is declared a second time"
                    yield Finding(
                        "ILK-TF003", Severity.ERROR, Place(path, one[size], one[size + 1]), summary,
                        f"Rename it, or keep the one in {first[name]} only.",
                    )  # fmt: skip
                first.setdefault(name, path)


def undeclared(inspection: Inspection) -> Iterator[Finding]:
    """ILK-TF004: a reference to what no file of the folder declares."""
    loose = _loose_folders(inspection)
    terragrunt = any(path.rpartition("/")[2] in ("terragrunt.hcl", "root.hcl") for path in inspection.paths)
    folders = folders_of(inspection)
    for folder in folders.values():
        if not folder.complete or folder.path in loose:
            continue
        known = {
            "var": folder.names("variable"), "local": folder.names("local"), "module": folder.names("module"),
            "resource": {f"{one[0]}.{one[1]}" for _, one in folder.all("resource")},
            "data": {f"{one[0]}.{one[1]}" for _, one in folder.all("data")},
        }  # fmt: skip
        said: set[tuple[str, str, str]] = set()
        for path, (root, name, attribute, line, used) in folder.all("refs"):
            full = f"{name}.{attribute}" if root in ("data", "resource") else name
            if full not in known[root]:
                if (path, root, full) not in said:
                    said.add((path, root, full))
                    yield _missing(path, line, root, full, known[root], bool(known[root]) and not terragrunt, used)
            elif root == "module" and attribute:
                yield from _no_output(folder, folders, loose, path, name, attribute, line)


def _missing(path: str, line: int, root: str, name: str, known: Iterable[str], surely: bool, used: bool) -> Finding:
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    word = _WORDS[root]
    prefix = "" if root == "resource" else f"{root}."
    remedy = f"Name '{prefix}{near[0]}', or declare" if near else "Declare"
    severity = Severity.ERROR if used and (near or surely) else Severity.WARNING
    return Finding(
        "ILK-TF004", severity, Place(path, line, line), f"the {word} '{prefix}{name}' is not declared in its folder",
        f"{remedy} the {word} '{name}'.", cause=f"terraform:{path.rpartition('/')[0]}:{prefix}{name}",
    )  # fmt: skip


def _no_output(
    caller: Folder, folders: dict[str, Folder], loose: set[str], path: str, name: str, attribute: str, line: int
) -> Iterator[Finding]:
    source = next((one[3] for _, one in caller.all("module") if one[0] == name), "")
    target = folders.get(local_source(caller.path, source) or "\0")
    if target is None or not target.complete or target.path in loose or attribute in target.names("output"):
        return
    near = get_close_matches(attribute, sorted(target.names("output")), n=1, cutoff=0.6)
    remedy = f"Name '{near[0]}', or declare" if near else "Declare"
    yield Finding(
        "ILK-TF004", Severity.ERROR, Place(path, line, line),
        f"'module.{name}.{attribute}' is an output that {target.path or 'the root'} does not declare",
        f"{remedy} the output '{attribute}' in {target.path or 'the root'}.",
        cause=f"terraform:{target.path}:output.{attribute}",
    )  # fmt: skip


def _loose_folders(inspection: Inspection) -> set[str]:
    return {path.rpartition("/")[0] for path in inspection.paths if path.endswith(_GENERATING)}


def module_calls(inspection: Inspection) -> Iterator[Finding]:
    """ILK-TF005: arguments that a module of this project does not have, or has and is not given."""
    folders = folders_of(inspection)
    loose = _loose_folders(inspection)
    for folder in folders.values():
        for path, (name, line, end, source, arguments) in folder.all("module"):
            target = folders.get(local_source(folder.path, source) or "\0")
            if target is None or not target.complete or target.path in loose:
                continue
            variables = {one[0]: one[3] for _, one in target.all("variable")}
            for argument, first, last in arguments:
                if argument not in variables:
                    near = get_close_matches(argument, sorted(variables), n=1, cutoff=0.6)
                    yield Finding(
                        "ILK-TF005", Severity.ERROR, Place(path, first, last),
                        f"the module '{name}' is given '{argument}', which {target.path} does not declare",
                        f"Name '{near[0]}'." if near else f"Declare the variable '{argument}' in {target.path}.",
                    )  # fmt: skip
            given = {one[0] for one in arguments}
            for variable in sorted(one for one, required in variables.items() if required and one not in given):
                if _OVERRIDE.search(path):
                    continue
                yield Finding(
                    "ILK-TF005", Severity.ERROR, Place(path, line, end),
                    f"the module '{name}' is not given '{variable}', which {target.path} requires",
                    f"Add '{variable} = ...' to the module, or give the variable a default.",
                )  # fmt: skip


FAMILY = Family(
    "terraform",
    (
        Rule("ILK-TF001", "terraform-syntax", "Terraform cannot read a file"),
        Rule("ILK-TF002", "argument-set-twice", "an argument is assigned twice"),
        Rule("ILK-TF003", "duplicate-address", "one address is declared twice in a folder"),
        Rule("ILK-TF004", "undeclared-reference", "a reference to what the module folder does not declare"),
        Rule("ILK-TF005", "module-arguments", "a module is called with an unknown argument or without a required one"),
    ),
    file_checks=(FileCheck((*PATTERNS, "*.tfvars"), check_syntax),),
    facts=(FileFacts(FACTS, PATTERNS, facts_of, Held.WHERE_NAMED),),
    project_checks=(duplicates, undeclared, module_calls),
)
