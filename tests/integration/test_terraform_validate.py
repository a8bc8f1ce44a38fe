"""``interlock check`` asks the real Terraform about root modules: once, without writing to them, and says where it could not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from interlock.engine.checking import Checked, check_project
from interlock.engine.project import Project
from interlock.model.findings import Severity
from interlock.model.progress import Progress
from tests.support.git import git
from tests.support.terraform import needs_terraform, only_programs, terraform

pytestmark = [pytest.mark.engine, needs_terraform]

RULE = "ILK-TF040"
CONFIG = "version: 1\nproject: shop\n"
GOOD = 'resource "terraform_data" "release" {\n  input = "r1"\n}\n'
BAD = 'resource "terraform_data" "release" {\n  inputs = "r1"\n}\n'
CALL = 'module "lake" {\n  source = "../modules/lake"\n  name   = "raw"\n}\n'
LAKE = 'variable "name" {\n  type = string\n}\n\nresource "terraform_data" "lake" {\n  input = var.name\n}\n'


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERLOCK_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "shop"
    write(root, {"interlock.yaml": CONFIG})
    return root


def write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def check(root: Path, **how: object) -> tuple[Checked, list[str]]:
    """What a check says, and in which root modules Terraform was asked for it."""
    asked: list[str] = []

    def say(progress: Progress) -> None:
        if progress.task == "terraform":
            asked.append(progress.message.rpartition(" ")[2])

    return check_project(Project(root, say), **how), sorted(asked)  # type: ignore[arg-type]


def told(checked: Checked) -> list[tuple[str, Severity]]:
    return [(str(one.place), one.severity) for one in checked.findings if one.rule == RULE]


def unchecked(checked: Checked) -> dict[str, str]:
    return {one.what: one.why for one in checked.not_checked if one.what.startswith("terraform validate")}


def states(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in folder.rglob("*")}


def test_what_terraform_refuses_is_found_at_its_line_and_nothing_is_written(root: Path) -> None:
    write(root, {"infra/main.tf": GOOD + "\n" + BAD.replace("release", "other"), "policies/x.md": ""})
    before = states(root)
    checked, asked = check(root)
    assert told(checked) == [("infra/main.tf:6", Severity.ERROR)] and asked == ["infra"]
    (one,) = checked.findings
    assert '"inputs" is not expected' in one.summary and one.resource == "terraform.stack:infra" and one.remedy
    assert not checked.passed and unchecked(checked) == {}
    assert states(root) == before


def test_it_is_asked_again_only_where_something_changed(root: Path) -> None:
    write(root, {"infra/main.tf": CALL, "modules/lake/main.tf": LAKE, "other/main.tf": GOOD, "notes.txt": "1"})
    checked, asked = check(root)
    assert told(checked) == [] and asked == ["infra", "other"]
    assert check(root)[1] == [] == check(root)[1]
    write(root, {"notes.txt": "2", "infra/notes.txt": "2"})
    assert check(root)[1] == []
    write(root, {"modules/lake/main.tf": LAKE.replace("string", "number")})
    checked, asked = check(root)
    assert told(checked) == [("infra/main.tf:3", Severity.ERROR)] and asked == ["infra"]
    write(root, {"modules/lake/main.tf": LAKE})
    checked, asked = check(root)
    assert told(checked) == [] and asked == [], "what was said of the earlier state is still known"


def test_a_file_that_a_module_reads_is_part_of_it(root: Path) -> None:
    reads = 'resource "terraform_data" "a" {\n  input = jsondecode(file("${path.module}/../data/a.json"))\n}\n'
    write(root, {"infra/main.tf": reads, "data/a.json": "{}"})
    assert told(check(root)[0]) == [] and check(root)[1] == []
    check(root)
    write(root, {"data/a.json": "{broken"})
    assert told(check(root)[0]) == [("infra/main.tf:2", Severity.ERROR)]
    (root / "data/a.json").unlink()
    assert told(check(root)[0]) == [("infra/main.tf:2", Severity.WARNING)], "a build may make it"


def test_a_static_check_runs_nothing_and_says_so(root: Path) -> None:
    write(root, {"infra/main.tf": BAD})
    checked, asked = check(root, static=True)
    assert told(checked) == [] and asked == []
    assert any("Terraform itself" in one.what for one in checked.not_checked)


@pytest.fixture
def remote(root: Path, tmp_path: Path) -> str:
    """A module of elsewhere, in a git repository."""
    write(tmp_path / "far", {"main.tf": LAKE})
    git(tmp_path / "far", "init", "-q")
    git(tmp_path / "far", "add", "-A")
    git(tmp_path / "far", "commit", "-qm", "far")
    return f'module "far" {{\n  source = "git::file://{tmp_path}/far"\n  size   = 1\n}}\n'


def test_modules_of_elsewhere_are_looked_at_once_init_has_installed_them(root: Path, remote: str) -> None:
    write(root, {"infra/main.tf": remote})
    for _ in range(3):
        checked, _ = check(root)
        (why,) = unchecked(checked).values()
        assert told(checked) == [] and "run 'terraform init' there" in why
    terraform(root / "infra", "init", "-no-color", "-input=false", "-get=true", "-reconfigure")
    before = states(root)
    checked, asked = check(root)
    assert asked == ["infra"] and unchecked(checked) == {}
    assert told(checked) == [("infra/main.tf:1", Severity.ERROR), ("infra/main.tf:3", Severity.ERROR)]
    assert states(root) == before and check(root)[1] == []
    shutil.rmtree(root / "infra/.terraform")
    assert told(check(root)[0]) == []


def test_providers_that_are_not_there_are_said_in_one_line_with_what_to_do(root: Path) -> None:
    needs = 'resource "aws_s3_bucket" "a" {\n  bucket = 1\n}\n'
    write(root, {f"envs/{name}/main.tf": needs for name in ("dev", "prod", "qa", "staging")})
    ((what, why),) = unchecked(check(root)[0]).items()
    assert what == "terraform validate of envs/dev, envs/prod, envs/qa and 1 more"
    assert why == "its providers are not in its .terraform: run 'terraform init' there, and check again"


def test_a_lock_that_terraform_refuses_is_what_the_rule_about_locks_refuses(root: Path) -> None:
    lock = 'provider "registry.terraform.io/hashicorp/aws" {\n  version = "4.67.0"\n}\n'
    text = 'terraform {\n  required_providers {\n    aws = {\n      source  = "hashicorp/aws"\n      version = "~> 5.0"\n    }\n  }\n}\n'
    write(root, {"infra/main.tf": text, "infra/.terraform.lock.hcl": lock})
    checked, _ = check(root)
    assert [one.rule for one in checked.findings] == ["ILK-TF008"]
    assert list(unchecked(checked).values()) == ["its lock holds versions that the configuration excludes"]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"infra/main.tf": 'terraform {\n  required_version = "~> 0.1.0"\n}\n'}, "another version of Terraform"),
        ({"infra/main.tf": GOOD, "infra/terragrunt.hcl": ""}, "terragrunt"),
        ({"infra/main.tf": 'module "a" {\n  source = "../../elsewhere"\n}\n'}, "outside the project"),
        ({"infra/main.tf": GOOD, "interlock.yaml": CONFIG + "terraform: {timeout: 0s}\n"}, "terraform.timeout"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_here_is_said(root: Path, files: dict[str, str], why: str) -> None:
    write(root, files)
    for _ in range(2):
        checked, _ = check(root)
        (told_why,) = unchecked(checked).values()
        assert told(checked) == [] and why in told_why


def test_what_took_too_long_is_asked_again(root: Path) -> None:
    write(root, {"infra/main.tf": BAD, "interlock.yaml": CONFIG + "terraform: {timeout: 0s}\n"})
    assert told(check(root)[0]) == []
    write(root, {"interlock.yaml": CONFIG})
    assert told(check(root)[0]) == [("infra/main.tf:2", Severity.ERROR)]


def test_root_modules_can_be_named(root: Path) -> None:
    write(root, {"interlock.yaml": CONFIG + "terraform: {roots: [b]}\n", "a/main.tf": BAD, "b/main.tf": BAD})
    assert told(check(root)[0]) == [("b/main.tf:2", Severity.ERROR)]


def test_a_finding_is_new_when_a_file_of_its_root_module_changed(root: Path) -> None:
    write(root, {"infra/main.tf": CALL + BAD, "modules/lake/main.tf": LAKE, "notes.txt": "1"})
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    write(root, {"notes.txt": "2"})
    checked, _ = check(root, since="")
    assert [one.new for one in checked.findings] == [False] and checked.passed
    write(root, {"modules/lake/main.tf": LAKE + "\n"})
    checked, _ = check(root, since="")
    assert [one.new for one in checked.findings] == [True] and not checked.passed


def test_what_the_text_shows_is_said_once(root: Path) -> None:
    write(root, {"infra/main.tf": 'variable "name" {}\n\noutput "a" {\n  value = var.nam\n}\n'})
    assert [one.rule for one in check(root)[0].findings] == ["ILK-TF004"]


REAL = Path(shutil.which("terraform") or "terraform").resolve()


def test_opentofu_will_do_and_a_program_that_comes_later_is_noticed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, {"infra/main.tf": BAD})
    place = tmp_path / "bin"
    monkeypatch.setenv("PATH", only_programs(place))
    for _ in range(3):
        checked, _ = check(root)
        assert told(checked) == [] and "neither terraform nor tofu is on PATH" in str(unchecked(checked))
    (place / "tofu").symlink_to(REAL)
    checked, asked = check(root)
    assert told(checked) == [("infra/main.tf:2", Severity.ERROR)] and asked == ["infra"]


def test_a_program_of_the_project_or_a_script_is_not_run(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    script = f"#!/bin/sh\necho ran > {ran}\n"
    write(root, {"infra/main.tf": BAD, "bin/terraform": script})
    for path, why in ((root / "bin/terraform", "lies in the project"), (tmp_path / "shim", "is a script")):
        path.write_text(script)
        path.chmod(0o755)
        monkeypatch.setenv("PATH", only_programs(tmp_path / f"bin-{path.name}", terraform=path))
        assert why in str(unchecked(check(root)[0]))
    assert not ran.exists()


def test_the_command_line_says_it_and_builds_nothing_from_it(root: Path) -> None:
    write(root, {"infra/main.tf": BAD})
    for command in ("check", "build"):
        done = subprocess.run(
            [sys.executable, "-m", "interlock", command, "--project", str(root)], capture_output=True, text=True,
            env={**os.environ, "COLUMNS": "200"},
        )  # fmt: skip
        assert done.returncode == 1 and "infra/main.tf:2" in done.stdout + done.stderr, done
