"""Commands load what they need when they need it, and an import that fails leaves nothing behind."""

import subprocess
import sys

import pytest

from interlock.cli.late import import_command

SCRIPT = """
import sys
from interlock.cli.late import import_command
from interlock.model.errors import UsageError

def loaded():
    return "sqlalchemy" in sys.modules

before = list(sys.meta_path)
command = import_command("interlock.cli.commands.deploy")
assert sys.meta_path == before
assert "interlock.engine.operations" in sys.modules and not loaded()
assert command.operations.UsageError is UsageError, "the first use loads it"
assert loaded()
from interlock.engine import workspace
import interlock.engine.operations as again
assert again is command.operations
assert workspace.Workspace is again.Workspace, "there is one of each class"
"""


def test_module_that_a_command_names_loads_with_its_first_use():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_import_that_fails_leaves_nothing_behind():
    before = list(sys.meta_path)
    with pytest.raises(ModuleNotFoundError):
        import_command("interlock.cli.commands.nothing_of_the_kind")
    assert sys.meta_path == before
