"""Jinja in the arguments of operators: what Airflow renders differently than meant, or not at all.

Only arguments that Airflow's own operators render in every version are looked at, and only texts that stand
in the file.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from zlib import crc32

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.filters import FILTERS
from jinja2.sandbox import SandboxedEnvironment

from interlock.model.findings import Finding, Severity
from interlock.rules.dag_model import DagModel, Task, read_dag_model
from interlock.rules.dag_source import Scope, is_dedent
from interlock.rules.dag_tables import (
    TEMPLATE_FILTERS,
    TEMPLATE_GLOBALS,
    TEMPLATE_MACROS,
    TEMPLATE_VARIABLES,
    TEMPLATED,
    TEMPLATED_ELSEWHERE,
    UNMISTAKABLE,
)
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.jinja_dbt import JinjaError, parse
from interlock.rules.rule import Family, FileCheck, FileFacts, Rule
from interlock.rules.surroundings import weighed
from interlock.rules.template_claims import CLAIMS, Claim, standing_claims


class _Harmless(dict[str, Any]):
    """Filters or tests of any name, none of which does anything: Jinja calls them for constants while it compiles."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> Any:
        return _refuse

    def get(self, name: str, default: Any = None) -> Any:
        return _refuse


def _refuse(*_: Any, **__: Any) -> Any:
    raise nodes.Impossible


_JINJA = SandboxedEnvironment(extensions=["jinja2.ext.do"])
_JINJA.filters, _JINJA.tests = _Harmless(), _Harmless()
# Nor are operators carried out: a stranger's constant can be larger than all memory.
_JINJA.intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})
_NAMES = "|".join(UNMISTAKABLE)
_ATTRIBUTE = r"(?:\.\w+(?:\(\s*[^(){}]*\))?)"
_SINGLE = re.compile(rf"(?<![{{$\\%\w])\{{\s*((?:{_NAMES}){_ATTRIBUTE}*)\s*(?:\|\s*\w+\s*)?(\}}\}}?)(?!\}})")
# These words stand alone for too much: only with an attribute are they Airflow's.
_BARE = frozenset({"params", "var", "macros", "ti", "task_instance", "dag_run"})
# Texts that hand their braces to something else, and file names that are read as templates.
_FORMATS = re.compile(r"""\.format\(|\bf["']|\bf\\["']|str\.format""")
_FILES = re.compile(r"\S+\.(sh|bash|sql|hql|json|ya?ml|html|txt|j2)$")
_LONGEST = 100_000


@dataclass(frozen=True)
class Template:
    """A text that an operator renders. ``text`` has NULs in place of an f-string's values. ``braces``: whether single
    braces in it can mean nothing but a mistake."""

    task: Task
    argument: str
    text: str
    node: ast.expr
    computed: bool
    braces: bool

    @property
    def digest(self) -> int:
        """What tells the text from others; 0 where parts of it are computed."""
        return 0 if self.computed else crc32(self.text.encode("utf-8", "replace"))

    @property
    def cause(self) -> str:
        """One change mends what several tasks make of one text."""
        return f"template:{self.digest or f'{self.node.lineno}:{self.node.col_offset}'}"


def claims(file: SourceFile) -> list[Any] | None:
    """What the text of a file says of its templates (see ``Claim``)."""
    return [one.facts() for one in check_templates(file)] or None


def stands(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DG014 to ILK-DG017, and ILK-DG023: where the parsed DAG does not show that it is not so."""
    for found in standing_claims(inspection).values():
        for one in found:
            yield one.finding


def check_templates(file: SourceFile) -> Iterator[Claim]:
    """ILK-DG014 to ILK-DG017, and ILK-DG023, as text alone sees them."""
    model = read_dag_model(file)
    if model is None:
        return
    own = "jinja_environment_kwargs" in file.text
    # A DAG that is made elsewhere, or with arguments from elsewhere, may define whatever its templates use.
    elsewhere = not model.dags or any(dag.site is not None and dag.site.open for dag in model.dags)
    macros = elsewhere or "user_defined_macros" in file.text
    filters = elsewhere or "user_defined_filters" in file.text
    seen: set[int] = set()
    for template in _templates(model):
        if id(template.node) in seen or len(template.text) > _LONGEST:
            continue
        seen.add(id(template.node))
        if own:
            continue
        if (
            template.task.kind == "BashOperator"
            and template.argument == "bash_command"
            and _is_taken_for_file(template)
        ):
            yield _claim(
                file, "ILK-DG023", template, 0,
                f"bash_command of {_named(template.task)} ends with the name of a script: Airflow looks for a template "
                "file that is called like the whole command, and fails",
                "Put a space after the script's name, or an argument.", Severity.ERROR,
            )  # fmt: skip
            continue
        tree = None
        try:
            tree = _JINJA.parse(template.text.replace("\0", "x"))
        except TemplateSyntaxError as error:
            if not template.computed:
                yield _broken(file, template, error)
        except (TemplateError, RecursionError, ValueError):
            pass
        if tree is not None:
            yield from _single_braces(file, template, tree)
            if not template.computed:
                yield from _unknown(file, template, tree, macros, filters)


def _templates(model: DagModel) -> Iterator[Template]:
    for task in model.tasks:
        if not task.origin:
            continue
        scope = task.site.where.scope
        known = TEMPLATED.get(task.kind, TEMPLATED_ELSEWHERE)
        for argument, value in task.site.keywords.items():
            if argument in known:
                braces = argument in ("bash_command", "sql", "hql", "html_content", "subject")
                for node, text, computed in _texts(model, value, scope):
                    if not _FILES.match(text):
                        yield Template(task, argument, text, node, computed, braces)


def _texts(model: DagModel, value: ast.expr, scope: Scope) -> Iterator[tuple[ast.expr, str, bool]]:
    """Every text in an argument, in lists and dicts too; for f-strings with NULs for what is computed."""
    todo = [value]
    for _ in range(500):
        if not todo:
            return
        node = model.source.resolved(todo.pop(), scope)
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            todo += node.elts
        elif isinstance(node, ast.Dict):
            todo += node.values
        elif isinstance(node, ast.Call) and is_dedent(node):
            todo.append(node.args[0])
        elif isinstance(node, ast.JoinedStr):
            parts = [str(one.value) if isinstance(one, ast.Constant) else "\0" for one in node.values]
            yield node, "".join(parts), "\0" in parts
        elif node is not None and (text := model.source.text(node, scope)) is not None:
            yield node, text, False


def _is_taken_for_file(template: Template) -> bool:
    """A command of several words that ends as a template file's name does."""
    return template.text.endswith((".sh", ".bash")) and len(template.text.split()) > 1


def _line(template: Template, offset_lines: int) -> int:
    """The line of the file for a line of the text, as well as it is known."""
    node = template.node
    first, last = node.lineno, node.end_lineno or node.lineno
    tall = template.text.count("\n") == last - first
    return first + offset_lines if tall else first


def _claim(
    file: SourceFile, rule: str, template: Template, offset: int, summary: str, remedy: str, severity: Severity,
    kind: str = "", name: str = "",
) -> Claim:  # fmt: skip
    line = _line(template, offset)
    end = line if line != template.node.lineno else template.node.end_lineno or line
    finding = file.finding(rule, line, summary, remedy, severity=severity, end_line=end, cause=template.cause)
    return Claim(finding, kind, name, template.digest, template.task.id)


def _broken(file: SourceFile, template: Template, error: TemplateSyntaxError) -> Claim:
    task = template.task
    remedy = "Mend the braces, or put what is no Jinja between {% raw %} and {% endraw %}."
    if "{#" in template.text and "comment" in str(error.message):
        remedy = "Jinja takes '{#' for a comment: write '{{ '{#' }}' where the shell shall see it, or use {% raw %}."
    return _claim(
        file, "ILK-DG015", template, max((error.lineno or 1) - 1, 0),
        f"Airflow cannot render {template.argument} of {_named(task)}: {_shown(error.message or '')}", remedy,
        Severity.ERROR, "syntax",
    )  # fmt: skip


def check_sql_files(file: SourceFile) -> Iterator[Finding]:
    """ILK-DG015 for SQL that is rendered, by Airflow or by the project: blocks that are opened and not closed."""
    if "{%" not in file.text or file.layout.dag_folder(file.path) is None or len(file.text) > _LONGEST:
        return
    if file.layout.dbt_project(file.path) is not None:
        return
    told = parse(file.text)
    if isinstance(told, JinjaError) and "is opened and" in told.message:
        yield file.finding(
            "ILK-DG015", told.line, f"no Jinja can render this file: {told.message}", "Close the block.",
            end_line=told.end_line, severity=weighed(Severity.ERROR, file.path),
        )  # fmt: skip


def _named(task: Task) -> str:
    return f"the task '{task.id}'" if task.id else f"a {task.kind}"


def _shown(message: str) -> str:
    return message.splitlines()[0][:160] if message else "its Jinja is broken"


def _single_braces(file: SourceFile, template: Template, tree: nodes.Template) -> Iterator[Claim]:
    if not template.braces or _FORMATS.search(template.text):
        return
    for output in tree.find_all(nodes.TemplateData):
        for match in _SINGLE.finditer(output.data):
            name = match[1].strip()
            if name in _BARE:
                continue
            formatted = isinstance(template.node, ast.JoinedStr)
            offset = (output.lineno or 1) - 1 + output.data[: match.start()].count("\n")
            if formatted:
                yield _claim(
                    file, "ILK-DG017", template, offset,
                    f"an f-string turns {{{{ {name} }}}} into {{ {name} }} in {template.argument} of "
                    f"{_named(template.task)}, which Airflow does not render",
                    f"Write {{{{{{{{ {name} }}}}}}}} in the f-string, or leave the f out.", Severity.WARNING,
                )  # fmt: skip
            else:
                yield _claim(
                    file, "ILK-DG014", template, offset,
                    f"'{match[0].strip()}' in {template.argument} of {_named(template.task)} has single braces: "
                    "Airflow does not render it",
                    f"Write {{{{ {name} }}}}.", Severity.ERROR,
                )  # fmt: skip


def _unknown(
    file: SourceFile, template: Template, tree: nodes.Template, macros: bool, filters: bool
) -> Iterator[Claim]:
    try:
        names = meta.find_undeclared_variables(tree)
    except (TemplateError, RecursionError):
        names = set()
    known = TEMPLATE_VARIABLES | TEMPLATE_GLOBALS | _guarded(tree)
    for name in sorted(names - known) if not macros else ():
        near = get_close_matches(name, TEMPLATE_VARIABLES, n=1, cutoff=0.75)
        yield _claim(
            file, "ILK-DG016", template, _where(tree, name),
            f"{template.argument} of {_named(template.task)} uses '{name}', which Airflow does not define",
            f"Write '{near[0]}'." if near else f"Define it: DAG(..., user_defined_macros={{'{name}': ...}}).",
            Severity.ERROR if near else Severity.WARNING, "name", name,
        )  # fmt: skip
    for used in tree.find_all(nodes.Getattr) if not macros else ():
        near = get_close_matches(used.attr, TEMPLATE_MACROS, n=1, cutoff=0.8)
        if isinstance(used.node, nodes.Name) and used.node.name == "macros" and near and used.attr != near[0]:
            yield _claim(
                file, "ILK-DG016", template, used.lineno - 1,
                f"{template.argument} of {_named(template.task)} uses 'macros.{used.attr}', which Airflow does not "
                "define",
                f"Write 'macros.{near[0]}'.", Severity.WARNING, "macro", used.attr,
            )  # fmt: skip
    for one in tree.find_all(nodes.Filter) if not filters else ():
        if one.name not in FILTERS and one.name not in TEMPLATE_FILTERS:
            near = get_close_matches(one.name, {*FILTERS, *TEMPLATE_FILTERS}, n=1, cutoff=0.75)
            yield _claim(
                file, "ILK-DG016", template, (one.lineno or 1) - 1,
                f"{template.argument} of {_named(template.task)} uses the filter '{one.name}', "
                "which Airflow does not define",
                f"Write '{near[0]}'." if near else "Define it: DAG(..., user_defined_filters={...}).",
                Severity.ERROR if near else Severity.WARNING, "filter", one.name,
            )  # fmt: skip


def _guarded(tree: nodes.Template) -> set[str]:
    """Names that the template itself expects not to be there: ``x is defined``, ``x | default(...)``."""
    tests = [one.node for one in tree.find_all(nodes.Test) if one.name in ("defined", "undefined")]
    filters = [one.node for one in tree.find_all(nodes.Filter) if one.name in ("default", "d")]
    return {one.name for one in (*tests, *filters) if isinstance(one, nodes.Name)}


def _where(tree: nodes.Template, name: str) -> int:
    return min((one.lineno - 1 for one in tree.find_all(nodes.Name) if one.name == name), default=0)


FAMILY = Family(
    "dag-templates",
    (
        Rule("ILK-DG014", "single-braces", "a template variable stands between single braces"),
        Rule("ILK-DG015", "broken-template", "an operator's argument, or a SQL file beside it, is no Jinja"),
        Rule("ILK-DG016", "unknown-template-name", "a template uses a name that Airflow does not define"),
        Rule("ILK-DG023", "command-taken-for-file", "a command ends with a script's name and is taken for a file"),
        Rule("ILK-DG017", "swallowed-braces", "an f-string swallows the braces of a template", Severity.WARNING),
    ),
    file_checks=(FileCheck(("*.sql", "*.hql"), check_sql_files),),
    facts=(FileFacts(CLAIMS, ("*.py",), claims),),
    project_checks=(stands,),
)
