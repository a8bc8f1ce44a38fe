"""The code of a pull request is anybody's: what it reads, writes and reaches while it is checked."""

import json
import os
import platform
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from interlock.rules.terraform_plan_file import Plan
from interlock.rules.terraform_policies import Policies
from interlock.runtimes.environments import Runtime
from interlock.runtimes.sandbox import Confinement
from interlock.runtimes.terraform import binary_on_path, validate
from interlock.runtimes.worker import Worker
from tests.support.terraform import needs_terraform

pytestmark = pytest.mark.engine

TRIES = """
import json, os, socket
found = {{}}
def attempt(name, work):
    try:
        found[name] = repr(work())
    except BaseException as error:
        found[name] = "no: " + type(error).__name__
def write(path):
    with open(path, "w") as file:
        file.write("was here")
def reach(family, place):
    with socket.socket(family) as one:
        one.settimeout(3)
        one.connect(place)
attempt("own file", lambda: open({own!r}).read())
attempt("credential", lambda: open({credential!r}).read())
attempt("home", lambda: os.listdir({home!r}))
attempt("beside", lambda: open({beside!r}).read())
attempt("environment", lambda: [k for k in os.environ if "SECRET" in k or "AWS" in k])
attempt("other environments", lambda: open("/proc/{pid}/environ").read())
attempt("write project", lambda: write({own!r} + ".new"))
attempt("overwrite", lambda: write({own!r}))
attempt("write beside", lambda: write({beside!r}))
attempt("write home", lambda: write({home!r} + "/was-here"))
attempt("write system", lambda: write("/etc/was-here"))
attempt("write own place", lambda: write(os.environ["HOME"] + "/allowed"))
attempt("loopback", lambda: reach(socket.AF_INET, ("127.0.0.1", {port})))
attempt("socket file", lambda: reach(socket.AF_UNIX, {agent!r}))
attempt("signal", lambda: os.kill({pid}, 0))
raise ValueError("found " + json.dumps(found))
"""


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What a machine has that is nobody's business: a credential, a file beside the project, two services."""
    home = Path(tempfile.mkdtemp(prefix=".interlock-test-", dir=Path.home()))
    credential = home / "credentials"
    credential.write_text("aws_secret_access_key = of-the-machine")
    place = Path(tempfile.mkdtemp(prefix="ilk"))
    (place / "beside.txt").write_text("beside")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-environment")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(place / "agent"))
        agent.listen()
        yield {
            "credential": str(credential), "home": str(home), "beside": str(place / "beside.txt"),
            "port": tcp.getsockname()[1], "agent": str(place / "agent"), "pid": os.getpid(),
        }  # fmt: skip
    for path in (*home.iterdir(), *place.iterdir()):
        path.unlink()
    home.rmdir()
    place.rmdir()


def expect_nothing_found(found: dict[str, str], outside: dict[str, Any], own: Path, content: str) -> None:
    allowed = {"own file", "environment", "write own place"}
    assert found["own file"] == repr(content) and found["environment"] == "[]" and found["write own place"] == "None"
    assert {name: said for name, said in found.items() if not said.startswith("no: ")}.keys() == allowed
    assert own.read_text() == content and Path(outside["beside"]).read_text() == "beside"
    assert [path.name for path in Path(outside["home"]).iterdir()] == ["credentials"]
    assert not Path("/etc/was-here").exists()
    assert "of-the-" not in json.dumps(found)


def test_a_dag_file_reads_writes_and_reaches_nothing_but_the_project(
    tmp_path: Path, runtime_python: Callable[[str], Path], outside: dict[str, Any]
) -> None:
    own = tmp_path / "dags" / "settings.json"
    own.parent.mkdir()
    own.write_text("{}")
    (own.parent / "tries.py").write_text("# airflow dag\n" + TRIES.format(own=str(own), **outside))
    runtime = Runtime("airflow", runtime_python("airflow"), "")
    with Worker(runtime, "airflow_worker.py", confinement=Confinement((tmp_path,))) as worker:
        [result] = worker.request("parse", dags_folder=str(own.parent), project_root=str(tmp_path))["files"]
    message = result["errors"][0]["message"]
    expect_nothing_found(json.loads(message.partition("found ")[2]), outside, own, "{}")


@pytest.mark.parametrize("keep", [False, True], ids=["own", "kept"])
def test_dbt_is_confined_whether_it_was_kept_or_not(
    tmp_path: Path, runtime_python: Callable[[str], Path], outside: dict[str, Any], keep: bool
) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\nversion: '1.0'\nprofile: shop\n")
    (tmp_path / "profiles.yml").write_text("shop: {target: t, outputs: {t: {type: duckdb, path: x.duckdb}}}\n")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.sql").write_text("select 1 as a")
    target = tmp_path / "target"
    target.mkdir()
    confinement = Confinement((tmp_path,), (target,))
    with Worker(
        Runtime("dbt", runtime_python("dbt"), "untrusted"), "dbt_worker.py", keep=keep, confinement=confinement
    ) as worker:
        answer = worker.request("parse", project_dir=str(tmp_path), target_path=str(target))
        assert answer["errors"] == [] and (target / "manifest.json").exists()
        processes = [p for p in psutil.process_iter() if _works_in(p, worker._home)]
        assert processes
        for process in processes:
            told = Path(f"/proc/{process.pid}/status").read_text()
            assert "NoNewPrivs:\t1" in told, "Landlock came with it"
            # Jinja runs no Python, so that the worker is looked at from outside.
            seen = Path(f"/proc/{process.pid}/root")
            for private in ("home", "agent"):
                assert not (seen / outside[private].lstrip("/")).exists()


def _works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return "python" in process.name() and process.cwd() == str(folder)
    except psutil.Error:
        return False


def tells(body: str, output: str) -> str:
    """What tries, and gives what it found to ``output`` instead of raising it."""
    return body.replace('raise ValueError("found " + json.dumps(found))', output)


@needs_terraform
def test_a_provider_of_the_branch_reads_writes_and_reaches_nothing_but_the_project(
    tmp_path: Path, outside: dict[str, Any]
) -> None:
    own = tmp_path / "infra" / "settings.json"
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    providers = own.parent / f".terraform/providers/registry.terraform.io/acme/evil/1.0.0/linux_{machine}"
    providers.mkdir(parents=True)
    own.write_text("{}")
    source = '{\n      source = "acme/evil"\n    }\n'
    (own.parent / "main.tf").write_text(f"terraform {{\n  required_providers {{\n    evil = {source}  }}\n}}\n")
    lock = 'provider "registry.terraform.io/acme/evil" {\n  version = "1.0.0"\n}\n'
    (own.parent / ".terraform.lock.hcl").write_text(lock)
    program = providers / "terraform-provider-evil_v1.0.0"
    # Terraform repeats the first line that a provider prints, if it is not the one that it waits for.
    program.write_text(
        f"#!{sys.executable}\n" + tells(TRIES.format(own=str(own), **outside), "print(json.dumps(found))")
    )
    program.chmod(0o755)
    binary = binary_on_path(open_tofu=False)
    assert binary is not None
    (told,) = validate(binary, tmp_path, "infra", 60).diagnostics
    found = json.loads(told["detail"].partition("plugin message: ")[2].partition("\n")[0])
    expect_nothing_found(found, outside, own, "{}")


def test_policies_read_write_and_reach_nothing_but_their_folder(tmp_path: Path, outside: dict[str, Any]) -> None:
    own = tmp_path / "policies" / "settings.json"
    own.parent.mkdir()
    own.write_text("{}")
    body = TRIES.format(own=str(own), **outside).replace("\n", "\n    ")
    program = tells(f"def check(plan):{body}", "yield {'summary': 'tried', 'detail': json.dumps(found)}")
    (own.parent / "tries.py").write_text(program)
    rego = "package interlock\n\nwarn contains json.marshal(opa.runtime().env) if { true }\n"
    policies = Policies(tmp_path, ["a.rego", "policies/tries.py"], lambda path: rego.encode(), 60)
    environment, tried = policies.judge(Plan("plan.json", {}, {}))
    assert "of-the-" not in environment.summary and "HOME" in environment.summary
    expect_nothing_found(json.loads(tried.detail.partition("\n")[0]), outside, own, "{}")
