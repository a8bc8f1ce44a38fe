"""What the listener inside a worker hears of a process: every way in which Python code asks for a project's files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from interlock.runtimes.keeping import WORKERS

LISTEN = f"""
import json, os, sys
sys.path.insert(0, {str(WORKERS)!r})
import _interlock_imports as imports, _interlock_trace as tracing
sys.path.pop(0)
root, book = os.getcwd(), sys.argv[1]
sys.path[:] = [one for one in sys.path if one] + [root + "/dags", root + "/lib"]
roots = imports.Roots(root, [root + "/dags"])
imports.ignore_stored_bytecode(roots)
with open(book, "ab") as stream:
    tracing.Trace(roots, stream.fileno()).listen()
    exec(compile(open(sys.argv[2]).read(), sys.argv[2], "exec"))
print(json.dumps(tracing.read_back(book)))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    files = {
        "dags/common/__init__.py": "", "dags/common/dates.py": "import json\n", "dags/a.sql": "select 1\n",
        "lib/tools.py": "", "dags/deep/b.yaml": "x: 1\n",
    }  # fmt: skip
    for path, text in files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    return project


def heard(root: Path, code: str) -> dict[str, Any]:
    script = root.parent / "script.py"
    script.write_text(code)
    command = [sys.executable, "-c", LISTEN, str(root.parent / "book"), str(script)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize(
    "code",
    [
        "open('dags/a.sql').read()", "import pathlib; pathlib.Path('dags/a.sql').read_bytes()",
        "import os; os.close(os.open(os.path.abspath('dags/a.sql'), os.O_RDONLY))",
        "import shutil; shutil.copyfile('dags/a.sql', '/dev/null')", "import os; os.chdir('dags'); open(b'a.sql')",
        "import io; io.open_code('dags/a.sql')", "import fileinput; list(fileinput.input('dags/a.sql'))",
    ],
)  # fmt: skip
def test_every_way_of_opening_a_file_is_heard(root: Path, code: str) -> None:
    assert list(heard(root, code)["files"]) == ["dags/a.sql"]


def test_file_that_is_not_there_is_heard_of(root: Path) -> None:
    told = heard(root, "try: open('dags/gone.sql')\nexcept OSError: pass")
    assert told["files"] == {"dags/gone.sql": ""}


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.listdir('dags')", "import os; list(os.scandir('dags'))", "import glob; glob.glob('dags/*.sql')",
        "import pathlib; list(pathlib.Path('dags').iterdir())", "import os; os.chdir('dags'); os.listdir()",
        "import os; fd = os.open('dags', os.O_RDONLY); os.listdir(fd)",
    ],
)  # fmt: skip
def test_every_way_of_listing_a_folder_is_heard(root: Path, code: str) -> None:
    assert "dags" in heard(root, code)["folders"]


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.path.exists('dags/gone.sql')", "import pathlib; pathlib.Path('dags/gone.sql').is_file()",
        "import os; os.access('dags/gone.sql', os.R_OK)", "import os; os.path.isdir('dags/gone.sql')",
        "import os; os.path.islink('dags/gone.sql')",
    ],
)  # fmt: skip
def test_every_way_of_asking_whether_something_is_there_is_heard(root: Path, code: str) -> None:
    assert heard(root, code)["sizes"] == {"dags/gone.sql": ""}


def test_size_of_a_file_is_remembered_when_it_is_asked_for(root: Path) -> None:
    assert heard(root, "import os; os.path.getsize('dags/a.sql')")["sizes"] == {"dags/a.sql": "file 9"}


def test_import_reads_its_files_and_asks_where_else_it_could_have_been(root: Path) -> None:
    told = heard(root, "import common.dates, tools")
    assert {"dags/common/__init__.py", "dags/common/dates.py", "lib/tools.py"} == set(told["files"])
    assert told["kinds"]["lib/common"] == told["kinds"]["dags/tools.py"] == "", "a module there would be another one"
    assert told["kinds"]["dags/common/dates.py"] == "file"
    assert not told["folders"], "what else lies in a folder is nothing to an import"


def test_module_of_the_runtime_could_be_hidden_by_one_of_the_project(root: Path) -> None:
    told = heard(root, "import tomllib\ntry: import nowhere\nexcept ImportError: pass")
    assert {"tomllib", "nowhere"} <= set(told["names"]) and set(told["roots"]) == {"dags", "lib"}
    assert not told["files"]


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess; subprocess.run(['true'])", "import os; os.system('true')",
        "import os; pid = os.fork(); pid or os._exit(0); os.waitpid(pid, 0)",
    ],
)  # fmt: skip
def test_process_that_nobody_hears_makes_it_rest_on_the_whole_project(root: Path, code: str) -> None:
    assert heard(root, code)["whole"] is True


def test_what_a_module_of_the_runtime_starts_as_it_is_imported_is_its_own_affair(root: Path, tmp_path: Path) -> None:
    (tmp_path / "starter.py").write_text(
        "import subprocess\nsubprocess.run(['true'])\ndef start(): subprocess.run(['true'])\n"
    )
    path = f"import sys; sys.path.append({str(tmp_path)!r})\n"
    assert heard(root, path + "import starter")["whole"] is False
    (root.parent / "book").unlink()
    assert heard(root, path + "import starter; starter.start()")["whole"] is True


def test_what_lies_outside_is_nobodys_business(root: Path) -> None:
    told = heard(root, "import os; open('/etc/hostname').close(); os.listdir('/'); os.stat('/etc')")
    assert not (told["files"] or told["folders"] or told["sizes"] or told["whole"])


def test_listener_is_never_noticed(root: Path) -> None:
    code = """
import os, shutil
assert os.stat in os.supports_fd and os.stat in os.supports_follow_symlinks and os.stat.__name__ == "stat"
shutil.copystat("dags/a.sql", "dags/deep/b.yaml", follow_symlinks=False)
os.getcwd = os.readlink = os.write = os.path.join = None
json.JSONEncoder.encode = None
open("dags/a.sql").close()
for wrong in (None, [], -1):
    try: os.stat(wrong)
    except (TypeError, OSError): pass
"""
    told = heard(root, code.replace("json.JSONEncoder.encode = None\n", ""))
    assert told["whole"] or "dags/a.sql" in told["files"]
