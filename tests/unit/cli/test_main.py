"""The command line as a shell sees it: exit codes, help at once, and errors that say what to do."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from interlock import __version__
from interlock.cli.main import COMMANDS, make_app, run
from interlock.cli.options import confirm, find_root
from interlock.model import errors
from interlock.model.errors import InterlockError
from interlock.views.output import Output

ERRORS = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, InterlockError)]
EXIT_CODES = {
    "InterlockError": 70,
    "UsageError": 2,
    "ConfigError": 2,
    "RefusedError": 1,
    "TamperedError": 1,
    "StaleError": 1,
    "GateFailedError": 1,
    "WaitingError": 3,
    "HeldError": 4,
    "FencedError": 4,
    "UnreachableError": 5,
    "WarehouseError": 5,
    "RuntimeBuildError": 1,
    "WorkerError": 1,
}
HEAVY = ("sqlalchemy", "dbos", "boto3", "botocore", "duckdb", "sqlglot", "pglast", "yaml", "interlock.config.models")

# Runs the command line and then says on standard error which of the heavy modules were loaded.
PROBE = f"""
import sys
from interlock.cli.main import main
try:
    main()
except SystemExit as end:
    print(*[m for m in {HEAVY!r} if m in sys.modules], sep=",", file=sys.stderr)
    raise
"""


def interlock(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "interlock", *arguments]
    environment = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "PYTHONDONTWRITEBYTECODE")} | env
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "interlock.yaml").write_text("version: 1\nproject: shop\nenvironments: {dev: {}, prod: {after: dev}}\n")
    (tmp_path / "deep" / "down").mkdir(parents=True)
    return tmp_path


def raising(error: BaseException):
    def command():
        raise error

    return command


def output(**options) -> Output:
    return Output(**{"as_json": False, "verbose": False, **options})


def test_every_error_has_its_exit_code_and_none_is_forgotten():
    assert {e.__name__: e.exit_code for e in ERRORS} == EXIT_CODES


@pytest.mark.parametrize("kind", ERRORS, ids=lambda e: e.__name__)
def test_error_ends_the_command_with_its_exit_code_and_a_remedy(capsys, kind):
    assert run(raising(kind("why", remedy="do this")), output()) == EXIT_CODES[kind.__name__]
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["✗ why", "  → do this"]


@pytest.mark.parametrize(
    ("error", "code"),
    [(typer.Exit(1), 1), (typer.Exit(0), 0), (typer.Abort(), 130), (KeyboardInterrupt(), 130), (KeyError("x"), 70)],
    ids=repr,
)
def test_other_ends_have_their_exit_codes(capsys, error, code):
    assert run(raising(error), output()) == code


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_what_a_command_returns_is_its_exit_code(returned, code):
    assert run(lambda: returned, output()) == code


def test_defect_of_ours_asks_for_a_report_and_hides_the_traceback(capsys):
    assert run(raising(ZeroDivisionError("oops")), output()) == 70
    err = capsys.readouterr().err
    assert "a defect of Interlock: ZeroDivisionError: oops" in err
    assert "please report it" in err
    assert "Traceback" not in err


def test_verbose_shows_the_traceback(capsys):
    run(raising(ZeroDivisionError("oops")), output(verbose=True))
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_interrupt_says_how_to_go_on(capsys):
    run(raising(KeyboardInterrupt()), output())
    assert "interlock resume" in capsys.readouterr().err


def test_json_error_is_one_object_on_standard_output(project):
    done = interlock("history", "nope", "--json", cwd=project)
    assert done.returncode == 2
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert (document["version"], document["kind"]) == (1, "error")
    assert document["error"]["summary"] == "there is no environment 'nope'"
    assert document["error"]["remedy"] == "known environments: dev, prod"


def test_json_error_of_a_wrong_command_line_is_an_object_too(project):
    document = json.loads(interlock("deploy", "--jsno", "--json", cwd=project).stdout)
    assert document["error"]["exit_code"] == 2


@pytest.mark.parametrize(("typed", "meant"), [("depoly", "deploy"), ("roll-back", "rollback"), ("statsu", "status")])
def test_unknown_command_suggests_the_nearest(project, typed, meant):
    done = interlock(typed, cwd=project)
    assert done.returncode == 2
    assert f"'{meant}'" in done.stderr
    assert "interlock --help" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_part_of_a_command_suggests_the_nearest(project):
    assert "'verify'" in interlock("audit", "verfy", cwd=project).stderr


def test_version(project):
    assert interlock("--version", cwd=project).stdout == f"interlock {__version__}\n"


def test_help_lists_every_command_with_one_line(project):
    done = interlock("--help", cwd=project)
    assert done.returncode == 0
    for name, (_, text) in COMMANDS.items():
        assert any(line.split()[:3] == [name, *text.split()[:2]] for line in done.stdout.splitlines()), name


def test_every_command_module_is_listed():
    folder = Path(sys.modules["interlock.cli.main"].__file__).with_name("commands")
    assert {p.stem for p in folder.glob("*.py")} - {"__init__"} == {module for module, _ in COMMANDS.values()}


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_loads_neither_engine_nor_vendor_libraries(tmp_path, name):
    """Also where there is no project: who asks for help may not have one yet."""
    command = [sys.executable, "-c", PROBE, *name.split(), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_says_more_than_its_name(name):
    loaded = make_app(name)
    texts = {c.name: c.callback.__doc__ for c in loaded.registered_commands if c.callback.__doc__}
    texts |= {g.name: g.typer_instance.info.help for g in loaded.registered_groups}
    assert len(texts[name]) > 20


@pytest.mark.parametrize("where", [".", "deep", "deep/down", "deep/..", "deep/down/../.."])
def test_project_is_found_from_any_folder_inside_it(project, monkeypatch, where):
    monkeypatch.chdir(project / "deep")
    assert find_root(project / where) == project
    assert find_root(Path()) == find_root(Path("..")) == project


def test_project_is_found_through_a_link(project, tmp_path_factory):
    link = tmp_path_factory.mktemp("elsewhere") / "link"
    link.symlink_to(project / "deep")
    assert find_root(link) == project


def test_project_is_not_looked_for_in_a_folder_that_was_left(project):
    """``inner/..`` is the folder above, whatever stands in ``inner``."""
    inner = project / "inner"
    inner.mkdir()
    (project / "interlock.yaml").rename(inner / "interlock.yaml")
    with pytest.raises(errors.UsageError, match=r"there is no interlock.yaml in .*inner/.. or above it"):
        find_root(inner / "..")


def test_nearest_project_is_meant(project):
    (project / "deep" / "interlock.yaml").touch()
    assert find_root(project / "deep" / "down") == project / "deep"


def test_command_in_a_subfolder_works_for_the_whole_project(project):
    document = json.loads(interlock("status", "--json", cwd=project / "deep").stdout)
    assert [e["environment"] for e in document["environments"]] == ["dev", "prod"]
    assert (project / ".interlock" / "ledger.db").is_file(), "the ledger counts from the project, not from the folder"
    assert not (project / "deep" / ".interlock").exists()


@pytest.mark.parametrize("option", ["--project", "-C"])
def test_command_works_for_the_project_that_is_named(project, tmp_path_factory, option):
    done = interlock("history", option, str(project / "deep"), cwd=tmp_path_factory.mktemp("elsewhere"))
    assert (done.returncode, done.stdout) == (0, "nothing was deployed yet\n")


def test_project_in_a_folder_that_does_not_exist_is_refused_though_one_is_above_it(project):
    done = interlock("history", "-C", "typo", cwd=project)
    assert done.returncode == 2
    assert "there is no folder typo" in done.stderr


def test_no_project_says_how_to_begin(tmp_path):
    done = interlock("status", cwd=tmp_path)
    assert done.returncode == 2
    assert "interlock init" in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing was created"


def test_broken_configuration_names_file_line_and_key(project):
    (project / "interlock.yaml").write_text("version: 1\nproject: shop\nenvironmets: {}\n")
    done = interlock("status", cwd=project)
    assert done.returncode == 2
    assert "interlock.yaml:3: environmets: unknown key; did you mean 'environments'?" in done.stderr


def test_output_in_a_pipe_has_no_colours(project):
    done = interlock("status", cwd=project)
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_encoding_of_the_terminal_will_do(project, encoding):
    done = interlock("doctor", cwd=project, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert "python" in done.stdout
    assert interlock("nope", cwd=project, PYTHONIOENCODING=encoding).returncode == 2


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["people", "json"])
def test_reader_that_has_seen_enough_is_no_defect(project, options):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        command = [sys.executable, "-m", "interlock", "status", *options]
        done = subprocess.run(command, cwd=project, stdout=closed, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (141, "")


def test_log_that_nobody_reads_does_not_end_the_command():
    """Progress goes to standard error; when that is closed a deployment must go on."""
    script = (
        "import os, sys\nfrom interlock.views.output import Output\n"
        "read, write = os.pipe(); os.close(read); os.dup2(write, 2)\n"
        "o = Output(as_json=False, verbose=False)\n"
        "for _ in range(3): o.errors.print('step')\n"
        "o.console.print('done')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_question_is_not_asked_where_nobody_can_answer(monkeypatch):
    """``FORCE_COLOR`` is set by many CI systems and makes no terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(errors.UsageError, match="this needs a yes") as refused:
        confirm("Do this?", yes=False, output=output())
    assert "--yes" in refused.value.remedy
    confirm("Do this?", yes=True, output=output())
