"""Policies and plans that mean harm: each is named, none hurts the others, and no sensitive value is shown."""

import html
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.hostile.cli_project import DONE, NO, USAGE, Said, interlock, write

SECRET = "hunter2-of-production"
BOMB = "ilk-pol-bomb"
CONFIG = "version: 1\nproject: shop\nterraform: {timeout: 10s}\n"
PLAN: dict[str, Any] = {
    "format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {},
    "variables": {"password": {"value": SECRET}},
    "configuration": {"root_module": {"variables": {"password": {"sensitive": True, "default": SECRET}}, "resources": [
        {"address": "aws_db_instance.a", "expressions": {"password": {"constant_value": SECRET}}},
    ]}},
    "resource_changes": [{
        "address": "aws_db_instance.a", "mode": "managed", "type": "aws_db_instance", "name": "a",
        "change": {
            "actions": ["delete", "create"], "replace_paths": [["engine"]],
            "before": {"password": SECRET}, "before_sensitive": {"password": True},
            "after": {"password": SECRET, "publicly_accessible": True}, "after_sensitive": {"password": True},
        },
    }],
}  # fmt: skip

# What each does, and what is said of it.
BROKEN = {
    "loops": ("def check(plan):\n    while True:\n        pass\n", "within 10 s"),
    "never_ends": ("import itertools\ndef check(plan):\n    return itertools.repeat('x')\n", "more than 1000"),
    "allocates": (
        "import mmap\ndef check(plan):\n    held = []\n    while True:\n        held.append(mmap.mmap(-1, 10**9))\n",
        "Cannot allocate memory",
    ),
    "exits": ("import sys\ndef check(plan):\n    sys.exit(0)\n", "SystemExit"),
    "exits_hard": ("import os\ndef check(plan):\n    os._exit(0)\n", "died"),
    "crashes": ("import ctypes\ndef check(plan):\n    ctypes.string_at(0)\n", "died"),
    "syntax": ("def check(plan:\n", "SyntaxError"),
    "no_check": ("def chek(plan):\n    return []\n", "no function check(plan)"),
    "nothing": ("def check(plan):\n    pass\n", "returned None"),
    "no_list": ("def check(plan):\n    return 3\n", "TypeError"),
    "no_findings": ("def check(plan):\n    return [[1]]\n", "a finding is a text"),
    "unknown_key": ("def check(plan):\n    return [{'summary': 'x', 'adress': 'y'}]\n", "unknown key 'adress'"),
    "unknown_severity": ("def check(plan):\n    return [{'summary': 'x', 'severity': 'fatal'}]\n", "a severity is one of"),
    "needs_interlock": ("import interlock\ndef check(plan):\n    return []\n", "ModuleNotFoundError"),
    "bomb": (
        f"import ctypes, os, time\nctypes.CDLL(None).prctl(15, b'{BOMB}', 0, 0, 0)\n"
        "def check(plan):\n    for _ in range(6):\n        os.fork()\n    while True:\n        time.sleep(60)\n",
        "within 10 s",
    ),
}  # fmt: skip
# What is printed must not be taken for an answer.
LIES = (
    'import os\nline = b\'{"id": 1, "result": {"answers": []}}\\n\'\n'
    "def check(plan):\n    print(line)\n    os.write(2, line)\n    return ['said all the same']\n"
)
LEAKS = (
    "import base64, json, os\ndef check(plan):\n    text = json.dumps(plan)\n"
    "    yield 'all: ' + text[:400]\n    yield {'summary': 'tail', 'detail': text, 'remedy': text, 'address': text[:50]}\n"
    "    yield {'summary': 'backwards', 'detail': text[::-1]}\n"
    "    yield str([k for k in os.environ if 'AWS' in k or 'TF_' in k])\n"
)
REGO_LEAKS = (
    'package interlock\n\nwarn contains sprintf("%v", [input]) if { true }\n'
    'warn contains sprintf("%v", [opa.runtime().env]) if { true }\n'
    'warn contains http.send({"method": "get", "url": "http://127.0.0.1:1"}) if { true }\n'
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    write(root, {"interlock.yaml": CONFIG, "plan.json": json.dumps(PLAN)})
    return root


def check(root: Path, *options: str, **env: str) -> Said:
    return interlock(root, "check", "--terraform-plan", str(root / "plan.json"), *options, env=env)


def test_a_policy_that_fails_in_any_way_is_an_error_of_its_own_and_the_others_are_heard(root: Path) -> None:
    write(root, {f"policies/{name}.py": text for name, (text, _) in BROKEN.items()})
    write(root, {"policies/lies.py": LIES, "policies/broken.rego": "package interlock\n\ndeny contains 1 if {\n"})
    write(root, {"policies/good.rego": 'package interlock\n\ndeny contains "no databases" if { true }\n'})
    said = check(root)
    assert said.code == NO
    about = {one["path"]: one for one in said.body["findings"] if "cannot be evaluated" in one["summary"]}
    assert set(about) == {*(f"policies/{name}.py" for name in BROKEN), "policies/broken.rego"}
    for name, (_, told) in BROKEN.items():
        one = about[f"policies/{name}.py"]
        assert told in one["detail"] and one["severity"] == "error" and str(root) not in json.dumps(one), one
    assert about["policies/broken.rego"]["line"] == 3
    assert {"said all the same", "no databases"} <= {one["summary"] for one in said.body["findings"]}
    assert not [one for one in psutil.process_iter(["name"]) if one.info["name"] == BOMB]


def test_a_rego_function_that_does_not_exist_is_not_taken_for_a_yes(root: Path) -> None:
    write(root, {"policies/a.rego": "package interlock\n\ndeny contains nothing(1) if { true }\n"})
    said = check(root)
    said.about("policies/a.rego", "cannot be evaluated")
    assert said.code == NO


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit", "github", "markdown"])
def test_no_report_shows_a_sensitive_value_or_the_environment(root: Path, form: str) -> None:
    write(root, {"policies/leaks.py": LEAKS, "policies/leaks.rego": REGO_LEAKS})
    report = root.parent / "report"
    secrets = {"TF_VAR_password": "of-the-environment", "AWS_SECRET_ACCESS_KEY": "of-the-environment"}
    done = subprocess.run(
        [sys.executable, "-m", "interlock", "check", "-v", "--project", str(root), "--terraform-plan", str(root / "plan.json"),
         "--format", form, *(["--output", str(report)] if form != "text" else [])],
        capture_output=True, text=True, env={**os.environ, **secrets},
    )  # fmt: skip
    told = html.unescape(done.stdout + done.stderr + (report.read_text() if report.exists() else ""))
    assert done.returncode == NO and "ILK-TF030" in told and "ILK-TF035" in told and "(sensitive" in told
    assert SECRET not in told and SECRET[::-1] not in told and "of-the-environment" not in told


def test_a_plan_of_a_hostile_shape_says_what_it_can_and_breaks_nothing(root: Path) -> None:
    odd = {**PLAN, "configuration": {"provider_config": {"aws": 1, "b": {"name": 2}}, "root_module": {"resources": 5}}}
    odd["resource_changes"] = [
        {"address": "a[" * 2000, "type": "aws_s3_bucket", "change": {"actions": ["delete", "\x1b[31m"], "replace_paths": 3}},
        {"address": "module." * 500, "type": "aws_s3_bucket_policy", "change": {"actions": ["create"], "after": {"policy": "[" * 5000}}},
        {"address": "x", "type": "aws_db_instance", "change": {"actions": ["update"], "before": 1, "after": {"acl": [], "members": {}}}},
        {"address": "y", "type": "aws_s3_bucket_acl", "mode": 7, "change": {"actions": [], "after": "no"}},
    ]  # fmt: skip
    write(root, {"plan.json": json.dumps(odd), "infra/main.tf": 'terraform {\n  required_version = ">= 1"\n}\n'})
    said = check(root)
    assert said.code == NO and [one["rule"] for one in said.body["findings"]] == ["ILK-TF030"]
    assert interlock(root, "check").code == DONE


@pytest.mark.parametrize("content", [b"", b"\x00" * 1000, b"{" * 100_000, json.dumps(PLAN).encode()[:-200]])
def test_a_file_that_is_no_plan_ends_the_check_with_words_about_it(root: Path, content: bytes) -> None:
    write(root, {"plan.json": content})
    said = check(root)
    assert said.code == USAGE
    said.about("plan.json is no plan")
    assert SECRET not in json.dumps(said.body) + said.stderr
