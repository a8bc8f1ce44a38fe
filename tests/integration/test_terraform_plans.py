"""Plans of the real Terraform before the rules and before a project's own policies."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from interlock.engine.checking import Checked, check_project
from interlock.engine.project import Project
from interlock.model.findings import Finding, Severity
from tests.support.git import git
from tests.support.terraform import needs_terraform, plan_of

pytestmark = [pytest.mark.engine, needs_terraform]

CONFIG = "version: 1\nproject: shop\n"
MAIN = """\
terraform {
  required_version = ">= 1.4"
}

variable "stage" {
  type = string
}

resource "terraform_data" "release" {
  for_each = toset(["a.b", "c"])
  input    = var.stage
}

module "lake" {
  source = "../modules/lake"
}
"""
LAKE = 'resource "terraform_data" "lake" {\n  input = "raw"\n}\n'
REGO = """\
package interlock

import data.names

deny contains {"msg": msg, "address": change.address} if {
  some change in input.resource_changes
  not change.change.after.input in names.stages
  msg := sprintf("%s is for no stage", [change.address])
}

warn contains sprintf("made by Terraform %s", [input.terraform_version]) if { true }
"""
NAMES = 'package names\n\nstages := ["dev", "prod"]\n'
PYTHON = """\
from _words import WORD

def check(plan):
    for change in plan["resource_changes"]:
        if change["name"] == "lake":
            yield {"summary": WORD, "address": change["address"], "severity": "warning", "remedy": "Rename it."}
    yield "said of the plan itself"
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERLOCK_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "shop"
    write(root, {"interlock.yaml": CONFIG, "infra/main.tf": MAIN, "modules/lake/main.tf": LAKE})
    return root


def write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def check(root: Path, plan: dict[str, Any], **how: Any) -> Checked:
    write(root, {"plan.json": json.dumps(plan)})
    return check_project(Project(root), plans=[root / "plan.json"], **how)


def told(checked: Checked) -> list[tuple[str, str, Severity]]:
    return [(str(one.place), one.summary, one.severity) for one in checked.findings if one.rule == "ILK-TF035"]


def test_policies_in_rego_and_python_see_a_real_plan_and_findings_stand_where_resources_are_declared(
    root: Path,
) -> None:
    policies = {
        "policies/a.rego": REGO,
        "policies/names.rego": NAMES,
        "policies/lake.py": PYTHON,
        "policies/_words.py": "WORD = 'no lake'\n",
    }
    write(root, policies)
    write(
        root,
        {"policies/a_test.rego": "package interlock_test\nbroken {\n", "policies/test_lake.py": "raise ValueError\n"},
    )
    checked = check(root, plan_of(root / "infra", "-var", "stage=dev"))
    assert checked.plans == ("plan.json",)
    made = [one for one in told(checked) if one[0] == "plan.json"]
    assert ("plan.json", "said of the plan itself", Severity.ERROR) in made
    assert any(summary.startswith("made by Terraform 1.") for _, summary, _ in made)
    assert [one for one in told(checked) if one[0] != "plan.json"] == [
        ("modules/lake/main.tf:1", "module.lake.terraform_data.lake is for no stage", Severity.ERROR),
        ("modules/lake/main.tf:1", "no lake", Severity.WARNING),
    ]
    (lake,) = [one for one in checked.findings if one.summary == "no lake"]
    assert lake.remedy == "Rename it." and lake.detail == "policy: policies/lake.py"
    checked = check(root, plan_of(root / "infra", "-var", "stage=test"))
    assert sum(place == "infra/main.tf:9" for place, _, _ in told(checked)) == 2


def test_a_plan_that_all_policies_like_passes(root: Path) -> None:
    write(root, {"policies/a.rego": REGO.replace("deny", "denied"), "policies/names.rego": NAMES})
    write(root, {"policies/nothing.py": "def check(plan):\n    return []\n"})
    checked = check(root, plan_of(root / "infra", "-var", "stage=dev"))
    assert [one.severity for one in checked.findings] == [Severity.WARNING] and checked.passed
    assert [one.what for one in checked.not_checked] == []


def test_a_finding_about_a_plan_is_waived_where_its_resource_is_declared(root: Path) -> None:
    plan = plan_of(root / "infra", "-var", "stage=dev")
    write(
        root,
        {
            "policies/lake.py": PYTHON.replace('    yield "said', '    "said').replace('"warning"', '"error"'),
            "policies/_words.py": "WORD = 'no'\n",
        },
    )
    assert not check(root, plan).passed
    write(root, {"modules/lake/main.tf": '# interlock: ignore[ILK-TF035] reason="it is one"\n' + LAKE})
    checked = check(root, plan)
    assert checked.passed and [one.waived for one in checked.findings] == ["it is one"]


def test_what_a_plan_would_do_is_new_although_no_file_changed(root: Path) -> None:
    plan = plan_of(root / "infra", "-var", "stage=dev")
    write(
        root,
        {"policies/no.py": "def check(plan):\n    return [{'summary': 'no', 'address': 'terraform_data.release'}]\n"},
    )
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    checked = check(root, plan, since="")
    assert [(str(one.place), one.new) for one in checked.findings] == [("infra/main.tf:9", True)] and not checked.passed


def test_stores_of_data_in_a_plan_of_a_cloud(root: Path) -> None:
    """Providers cannot be had here: changes in the documented format, in the plan of a real configuration."""
    plan = plan_of(root / "infra", "-var", "stage=dev")
    gone = {"actions": ["delete"], "before": {"bucket": "old"}, "after": None}
    logs = {"actions": ["create"], "before": None, "after": {"retention_in_days": 30}, "after_unknown": {}}
    plan["resource_changes"] += [
        {"address": "aws_s3_bucket.old", "mode": "managed", "type": "aws_s3_bucket", "name": "old", "change": gone},
        {"address": "aws_cloudwatch_log_group.a", "mode": "managed", "type": "aws_cloudwatch_log_group", "name": "a", "change": logs},
    ]  # fmt: skip
    assert [(one.rule, str(one.place)) for one in check(root, plan).findings] == [("ILK-TF030", "plan.json")]
    removed = '# interlock: ignore[ILK-TF030] reason="moved"\nremoved {\n  from = aws_s3_bucket.old\n  lifecycle {\n    destroy = true\n  }\n}\n'
    write(root, {"infra/gone.tf": removed, "interlock.yaml": CONFIG + "terraform: {retention: {logs: 90d}}\n"})
    found = {one.rule: one for one in check(root, plan).findings}
    assert found["ILK-TF030"].waived == "moved" and str(found["ILK-TF030"].place) == "infra/gone.tf:2"
    assert found["ILK-TF034"].severity is Severity.ERROR and "90 are wanted" in found["ILK-TF034"].summary


def drift(root: Path, plan: dict[str, Any]) -> list[Finding]:
    return [one for one in check(root, plan).findings if one.rule == "ILK-TF036"]


def test_a_plan_that_was_made_with_other_providers_or_another_terraform_is_told(root: Path) -> None:
    plan = plan_of(root / "infra", "-var", "stage=dev")
    assert drift(root, plan) == []
    write(root, {"infra/main.tf": MAIN.replace(">= 1.4", "< 1.0")})
    (one,) = drift(root, plan)
    assert str(one.place) == "infra/main.tf:2" and f"Terraform {plan['terraform_version']}" in one.summary
    needs = 'terraform {\n  required_providers {\n    aws = {\n      source  = "hashicorp/aws"\n      version = "~> 5.0"\n    }\n  }\n}\n'
    lock = 'provider "registry.terraform.io/hashicorp/aws" {\n  version = "5.94.1"\n}\n'
    write(root, {"infra/main.tf": MAIN, "infra/versions.tf": needs, "infra/.terraform.lock.hcl": lock})
    aws = {"name": "aws", "full_name": "registry.terraform.io/hashicorp/aws", "version_constraint": "~> 4.0"}
    plan["configuration"]["provider_config"]["aws"] = aws
    (one,) = drift(root, plan)
    assert str(one.place) == "infra/versions.tf:3" and "'~> 4.0'; now it is '~> 5.0'" in one.summary
    plan["configuration"]["provider_config"]["aws"] = {**aws, "version_constraint": "~> 5.0"}
    assert drift(root, plan) == []
    write(root, {"infra/.terraform.lock.hcl": ""})
    (one,) = drift(root, plan)
    assert "lacks" in one.summary and "hashicorp/aws" in one.summary


def test_of_several_root_modules_the_one_that_declares_what_the_plan_shows_counts(root: Path) -> None:
    write(
        root,
        {
            "other/main.tf": LAKE,
            "policies/no.py": "def check(plan):\n    return [{'summary': 'no', 'address': 'terraform_data.lake'}]\n",
        },
    )
    assert [one[0] for one in told(check(root, plan_of(root / "other")))] == ["other/main.tf:1"]
    write(root, {"twin/main.tf": LAKE})
    checked = check(root, plan_of(root / "twin"))
    assert [one[0] for one in told(checked)] == ["plan.json"]
    assert any("which root module it was made from is not known" in one.why for one in checked.not_checked)


def test_what_was_not_asked_is_said(root: Path) -> None:
    write(root, {"policies/a.rego": REGO, "policies/b.rego": "package main\n\ndeny contains 1 if { true }\n"})
    checked = check_project(Project(root))
    assert [one.what for one in checked.not_checked] == ["7 rules about Terraform plans, and policies (2)"]
    plan = plan_of(root / "infra", "-var", "stage=dev")
    said = {one.what: one.why for one in check(root, {**plan, "errored": True}).not_checked}
    assert "package main" in said["policies/b.rego"] and "stopped with an error" in said["all of the plan plan.json"]
    checked = check(root, plan, static=True)
    assert told(checked) == [] and any("runs no policy" in one.why for one in checked.not_checked)
    write(root, {"interlock.yaml": CONFIG + "terraform: {policies: [rules/*.rego]}\n"})
    assert {one.what: one.why for one in check(root, plan).not_checked} == {
        "rules/*.rego": "no policy matches this pattern"
    }
    (root / "policies/a.rego").write_text("package interlock\n\nhelp := 1\n")
    write(root, {"interlock.yaml": CONFIG})
    assert "neither a rule deny" in str(check(root, plan).not_checked)


def run(root: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "interlock", "check", "--json", "--project", str(root), *arguments],
        capture_output=True, text=True, cwd=root / "infra", env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)


def test_the_command_line_takes_several_plans_and_refuses_what_is_none(root: Path) -> None:
    write(root, {"policies/no.py": "def check(plan):\n    return [plan['variables']['stage']['value']]\n"})
    for stage in ("dev", "prod"):
        write(root, {f"infra/{stage}.json": json.dumps(plan_of(root / "infra", "-var", f"stage={stage}"))})
    code, said = run(root, "--terraform-plan", "dev.json", "--terraform-plan", "prod.json")
    assert code == 1 and said["plans"] == ["infra/dev.json", "infra/prod.json"]
    assert [(one["path"], one["summary"]) for one in said["findings"]] == [
        ("infra/dev.json", "dev"),
        ("infra/prod.json", "prod"),
    ]
    code, said = run(root, "--terraform-plan", "main.tf")
    assert (code, said["kind"]) == (2, "error") and "main.tf is no plan" in said["error"]["summary"]
    code, said = run(root, "--terraform-plan", "dev.json", "--write-baseline")
    assert code == 2 and not (root / "interlock-baseline.json").exists()
