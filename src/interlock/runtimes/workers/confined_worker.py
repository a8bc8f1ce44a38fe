"""Runs a worker that reads only what it was given: ``confined_worker.py WORKER CONFINEMENT ASK ANSWER``.

CONFINEMENT is JSON: the arguments of ``_interlock_confine.confine``. The worker's engine is imported afterwards.
"""

import importlib
import json
import os
import sys

import _interlock_confine

# A project's code that multiplies is stopped there; threads count too, and each core may be busy with a Java.
_MOST_PROCESSES = 300 + 350 * (os.cpu_count() or 1)


def main():
    name, confinement, *descriptors = sys.argv[1:]
    _interlock_confine.limit_processes(_MOST_PROCESSES)
    _interlock_confine.confine(**json.loads(confinement))
    sys.argv[:] = [name, *descriptors]
    importlib.import_module(name).main()


if __name__ == "__main__":
    main()
