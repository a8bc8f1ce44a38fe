"""Which folders are root modules, where the resources of a plan stand, and what Terraform's words mean."""

from pathlib import Path
from typing import Any

import pytest

from interlock.catalog.sources import Sources
from interlock.model.errors import ConfigError, Place
from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.rule_terraform_validate import unrepeated
from interlock.rules.terraform_diagnostics import findings_of, shown, unready
from interlock.rules.terraform_facts import Folder, facts_of, folders_from
from interlock.rules.terraform_places import Places
from interlock.rules.terraform_roots import Stack, root_of_plan, roots_of, stack_of
from interlock.runtimes.terraform import Answer

CALL = 'module "{0}" {{\n  source = "{1}"\n}}\n'
BACKEND = 'terraform {\n  backend "s3" {}\n}\n'
LAKE = 'resource "aws_s3_bucket" "lake" {\n  bucket = "lake"\n}\n'


def folders(files: dict[str, str]) -> dict[str, Folder]:
    return folders_from({path: facts_of(SourceFile(path, text.encode())) for path, text in files.items()})


def test_root_modules_are_what_nothing_calls_or_what_has_a_backend_or_a_lock() -> None:
    found = folders(
        {
            "infra/main.tf": CALL.format("lake", "../modules/lake"), "modules/lake/main.tf": LAKE,
            "examples/basic/main.tf": CALL.format("it", "../../envs/dev"), "envs/dev/main.tf": BACKEND,
            "stacks/a/main.tf": LAKE, "tests/unit/main.tf": CALL.format("a", "../../stacks/a"), "alone/main.tf": LAKE,
        }
    )  # fmt: skip
    assert roots_of(found, ["stacks/a", "no/terraform"], ()) == ["alone", "envs/dev", "infra", "stacks/a"]
    assert roots_of(found, (), ["./modules/lake/", "infra"]) == ["infra", "modules/lake"]
    with pytest.raises(ConfigError, match="no module of Terraform's in 'infr'"):
        roots_of(found, (), ["infr"])


def test_a_root_module_consists_of_what_it_calls_and_of_files_that_git_ignores(tmp_path: Path) -> None:
    files = {
        "infra/main.tf": CALL.format("lake", "../modules/lake"), "modules/lake/main.tf": CALL.format("up", "../../"),
        "main.tf": LAKE, "infra/.terraform/modules/x/main.tf": LAKE, "infra/deep/other.tf": LAKE,
        "infra/generated.tf": 'locals {\n  a = file("x")\n}\n', "infra/.terraform.lock.hcl": "", "infra/notes.txt": "",
    }  # fmt: skip
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    known = {path: text for path, text in files.items() if path in ("infra/main.tf", "modules/lake/main.tf", "main.tf")}
    stack = stack_of(Sources(tmp_path), "infra", folders(known))
    assert set(stack.folders) == {"infra", "modules/lake", ""} and stack.key == "terraform.stack:infra"
    assert set(stack.texts) == {*known, "infra/generated.tf", "infra/.terraform.lock.hcl"}
    assert stack.reads_files and not stack.unfit
    (tmp_path / "infra/terragrunt.hcl").write_text("")
    assert "terragrunt" in stack_of(Sources(tmp_path), "infra", folders(known)).unfit
    leaving = folders({"infra/main.tf": CALL.format("a", "../../elsewhere")})
    assert "outside the project" in stack_of(Sources(tmp_path / "modules"), "infra", leaving).unfit


def test_a_plan_belongs_to_the_only_root_or_to_the_one_that_declares_just_what_it_shows() -> None:
    found = folders({"a/main.tf": LAKE + 'data "x_y" "z" {}\n' + CALL.format("m", "x/y"), "b/main.tf": LAKE})
    shows = {"resources": [{"address": "aws_s3_bucket.lake"}, {"address": "data.x_y.z"}], "module_calls": {"m": {}}}
    plan = {"configuration": {"root_module": shows}}
    assert root_of_plan(plan, found, ["a", "b"]) == "a"
    assert root_of_plan({}, found, ["b"]) == "b"
    for other in ({}, {"configuration": {"root_module": {}}}, {"configuration": 1}):
        assert root_of_plan(other, found, ["a", "b"]) is None
    twins = folders({"a/main.tf": LAKE, "b/main.tf": LAKE})
    assert (
        root_of_plan({"configuration": {"root_module": {"resources": shows["resources"][:1]}}}, twins, ["a", "b"])
        is None
    )


def test_a_resource_of_a_plan_stands_where_it_is_declared_called_or_said_to_be_gone() -> None:
    found = folders(
        {
            "infra/main.tf": CALL.format("lake", "../modules/lake") + CALL.format("far", "acme/lake/aws") + LAKE,
            "infra/gone.tf": "removed {\n  from = aws_s3_bucket.old\n  lifecycle {\n    destroy = true\n  }\n}\n",
            "modules/lake/buckets.tf": "\n" + LAKE,
        }
    )
    places = Places(found, "infra", "plan.json")
    assert str(places.of("aws_s3_bucket.lake")) == "infra/main.tf:7"
    assert str(places.of('module.lake["a.b]c"].aws_s3_bucket.lake[0]')) == "modules/lake/buckets.tf:2"
    assert str(places.of("module.far.aws_s3_bucket.raw")) == "infra/main.tf:4"
    assert str(places.of("module.lake.module.inner.a.b")) == "infra/main.tf:1"
    assert str(places.of('aws_s3_bucket.old["x"]')) == "infra/gone.tf:1"
    for nowhere in ("aws_s3_bucket.unknown", "module.unknown.a.b", "", "x", 'a["]'):
        assert str(places.of(nowhere)) == "plan.json"
    assert str(Places(found, None, "plan.json").of("aws_s3_bucket.lake")) == "plan.json"


STACK = Stack(
    "infra",
    ("infra",),
    {"infra/main.tf": b'a = "literal"\nfile("${path.module}/x.tpl")'},
    {"net": Place("infra/main.tf", 9, 12)},
)


def diagnostic(summary: str, detail: str = "", path: str | None = "main.tf", severity: str = "error") -> dict[str, Any]:
    place = {"filename": path, "start": {"line": 3, "column": 2}, "end": {"line": 3, "column": 9}}
    return {"severity": severity, "summary": summary, "detail": detail, **({"range": place} if path else {})}


def said(*diagnostics: dict[str, Any]) -> list[Finding]:
    return list(findings_of(STACK, Answer("", diagnostics)))


def test_a_diagnostic_becomes_a_finding_at_its_place() -> None:
    (one,) = said(
        diagnostic("Unsupported argument", 'An argument named "siz" is not expected here. Did you mean "size"?')
    )
    assert (one.rule, one.severity, one.place) == ("ILK-TF040", Severity.ERROR, Place("infra/main.tf", 3, 3, 2))
    assert '"siz" is not expected' in one.summary and one.resource == "terraform.stack:infra"
    assert [str(one.place) for one in said(diagnostic("x", path="../modules/a/b.tf"))] == ["modules/a/b.tf:3"]
    assert [str(one.place) for one in said(diagnostic("x", path="../../elsewhere.tf"))] == ["infra/main.tf"]
    assert [str(one.place) for one in said({"severity": "error", "summary": "x", "range": {}})] == ["infra/main.tf"]
    (moved,) = said(diagnostic("Duplicate", "It was declared at main.tf:1,1-13. Names must differ."))
    assert "in main.tf. Names" in moved.summary and "main.tf:1,1-13" in moved.detail


def test_what_is_wrong_in_an_installed_module_stands_at_its_call_and_its_warnings_are_its_own() -> None:
    inside = ".terraform/modules/net.sub/main.tf"
    assert [str(one.place) for one in said(diagnostic("x", path=inside))] == ["infra/main.tf:9"]
    assert said(diagnostic("x", path=inside, severity="warning")) == []
    assert [one.severity for one in said(diagnostic("x", severity="warning"))] == [Severity.WARNING]


def test_a_missing_file_is_a_warning_because_a_build_may_make_it() -> None:
    detail = 'Invalid value for "path" parameter: no file exists at "./x.tpl"; this function works only with files'
    (one,) = said(diagnostic("Invalid function argument", detail))
    assert one.severity is Severity.WARNING and '"./x.tpl"' in one.summary


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ('Call to function "cidrhost" failed: invalid CIDR address: AbC123.', 'Call to function "cidrhost" failed.'),
        ('Invalid value for "v" parameter: cannot convert "AbC123" to number.', 'Invalid value for "v" parameter.'),
        ("Call to function \"jsondecode\" failed: invalid character 'x'.", None),
        ('Two items produced the key "AbC123".', 'Two items produced the key "…".'),
        ('Two items produced the key "literal".', None),
        ('no file exists at "AbC123"', 'no file exists at "…"'),
        ('The argument "bucket_prefix" is required.', None),
    ],
)
def test_what_a_file_or_variable_may_hold_is_not_repeated(detail: str, expected: str | None) -> None:
    assert shown(detail, "literal") == (expected or detail)


def test_what_is_about_the_machine_is_no_finding_and_says_why() -> None:
    lost = diagnostic("Module not installed", path="main.tf")
    assert (
        said(lost, diagnostic("Missing required provider", path=None), diagnostic("Unsupported Terraform Core version"))
        == []
    )
    assert "its modules are not in its .terraform" in unready(Answer("\nError: Failed to download module\n\n", (lost,)))
    syntax = diagnostic("Invalid expression")
    assert unready(Answer("\nError: Invalid expression\n", (syntax,))) == ""
    assert unready(Answer("", ())) == ""
    plugin = diagnostic("Failed to load plugin schemas", path=None)
    assert unready(Answer("", (plugin,))) == "Terraform says: Failed to load plugin schemas"
    assert "says: Strange" in unready(Answer("Error: Strange\n", ()))


def test_what_a_rule_over_text_says_of_a_line_is_not_said_twice_unless_it_is_milder() -> None:
    def finding(rule: str, severity: Severity, line: int) -> Finding:
        return Finding(rule, severity, Place("a.tf", line, line + 2), rule, "mend it")

    error = finding("ILK-TF040", Severity.ERROR, 5)
    assert list(unrepeated([error], [finding("ILK-TF004", Severity.ERROR, 3)])) == []
    for other in (
        finding("ILK-TF004", Severity.ERROR, 8), finding("ILK-TF004", Severity.WARNING, 5), finding("ILK-SE001", Severity.ERROR, 5),
    ):  # fmt: skip
        assert list(unrepeated([error], [other])) == [error]
