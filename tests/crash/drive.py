"""Runs one deployment in a process that is killed when it has written its n-th ledger append or passed its n-th fence.

Usage: drive.py ROOT ENVIRONMENT KILL_AT (0: never) MODE (deploy | resume). Prints the number of points passed.
"""

import os
import signal
import sys
from pathlib import Path

from interlock.engine.holding import Holding
from interlock.engine.operations import deploy, plan_deploy, resume
from interlock.engine.workspace import Workspace
from interlock.ledger.store import Ledger

root, environment, kill_at, mode = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
passed = 0


def point() -> None:
    global passed
    passed += 1
    if passed == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)


def around(function, before: bool, after: bool):
    def wrapped(*arguments, **named):
        if before:
            point()
        result = function(*arguments, **named)
        if after:
            point()
        return result

    return wrapped


Ledger.append = around(Ledger.append, before=True, after=True)
Holding.fence = around(Holding.fence, before=False, after=True)

workspace = Workspace(root)
if mode == "deploy":
    release = workspace.store.list()[0]
    ended = deploy(workspace, plan_deploy(workspace, environment, workspace.store.manifest(release)))
else:
    ended = resume(workspace, None)
print(passed, ended.outcome)
