"""Runs ``terraform validate`` on one root module that it cannot write to.

Started by path inside Interlock's own interpreter; see ``interlock.runtimes.worker`` for the protocol.
"""

import os
import shutil
import subprocess
import tempfile

from _interlock_channel import Channel

_TAIL_BYTES = 20000
# Terraform asks for updates, and fetches modules with git and over HTTP: where the kernel leaves a network, in vain.
_OFFLINE = {
    "CHECKPOINT_DISABLE": "1",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "GIT_ALLOW_PROTOCOL": "none",
}


def validate(binary, folder):
    """What ``init`` said where it failed, and what ``validate`` printed.

    Both work on data of their own: providers are linked from the folder's ``.terraform``, and modules that were
    installed there are used where they are.
    """
    data = tempfile.mkdtemp(dir=os.environ["HOME"])
    os.mkdir(os.path.join(data, "modules"))
    there = os.path.join(folder, ".terraform")
    manifest = os.path.join(there, "modules", "modules.json")
    if os.path.isfile(manifest):
        shutil.copy(manifest, os.path.join(data, "modules"))
    plugins = os.path.join(there, "providers")
    if not os.path.isdir(plugins):
        plugins = tempfile.mkdtemp(dir=os.environ["HOME"])
    environment = {**os.environ, **_OFFLINE, "TF_DATA_DIR": data, "TF_IN_AUTOMATION": "1"}

    def run(*arguments):
        return subprocess.run(
            [binary, *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    # With a folder of plugins none is looked for anywhere else.
    made = run("init", "-backend=false", "-input=false", "-no-color", "-lockfile=readonly", "-plugin-dir=" + plugins)
    told = run("validate", "-json", "-no-color")
    refusal = made.stderr if made.returncode else b""
    return {
        "init": refusal[:_TAIL_BYTES].decode("utf-8", "replace"),
        "validate": told.stdout.decode("utf-8", "replace"),
    }


def main():
    import sys

    Channel(sys.argv).serve({"validate": validate})


if __name__ == "__main__":
    main()
