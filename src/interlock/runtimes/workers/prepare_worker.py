"""Works out what depends on a runtime's packages alone, when it is built: run by ``confined_worker.py`` with a FOLDER.

The file there spares each later worker of that runtime the same work; without it they do it themselves.
"""

import importlib.util
import sys


def main():
    """Nothing is written for a runtime without dbt."""
    if importlib.util.find_spec("dbt") is None:
        return
    import _interlock_dbtsooner as sooner

    sooner.keep_schemas(sys.argv[1])
