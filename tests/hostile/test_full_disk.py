"""A disk that fills up while a version is laid on it."""

import subprocess
import sys
from pathlib import Path

import pytest

# Runs in a mount namespace of its own, where an ordinary account may mount a small file system.
_SCRIPT = """
import subprocess, sys
from pathlib import Path
folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=True)
from interlock.adapters.trees import TreeRoot
from interlock.model.canonical import digest_bytes
from interlock.model.errors import UnreachableError
tree = TreeRoot(folder / "live")
def stage(*contents):
    data = {digest_bytes(c): c for c in contents}
    return tree.stage({f"f{i}": (d, False) for i, d in enumerate(data)}, data.__getitem__)
first = stage(b"small")
tree.switch(first)
try:
    stage(b"x" * 600_000, b"y" * 600_000)
except UnreachableError as error:
    print(error.summary); print(error.remedy)
else:
    sys.exit("the disk was not full")
assert tree.current() == first and tree.drift(first) == ()
assert stage(b"x" * 300_000)  # what the failed attempt had written is gone
(folder / "filler").touch()
try:
    with (folder / "filler").open("wb") as file:
        file.write(b"z" * 2_000_000)
except OSError:
    pass
try:
    tree.switch(stage(b"x" * 300_000))
except UnreachableError as error:
    print(error.summary)
assert tree.drift(tree.current()) == ()
(folder / "filler").unlink()
tree.switch(stage(b"x" * 300_000))
"""


def test_full_disk_is_named_and_loses_nothing(tmp_path: Path) -> None:
    probe = subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("this kernel lets an ordinary account make no mount namespace")
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", _SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the disk is full" in done.stdout and "Free space" in done.stdout
