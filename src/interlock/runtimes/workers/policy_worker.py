"""Puts a Terraform plan before a project's own policies, in Rego or in Python.

Started by path inside Interlock's own interpreter; see ``interlock.runtimes.worker`` for the protocol.
"""

import importlib.util
import itertools
import json
import os
import sys
import sysconfig

import _interlock_forks as forks
from _interlock_channel import Channel, Refused

_MEMORY_MB = 2048
_MOST = 1000


def rego(modules, plan):
    """What ``deny`` and ``warn`` of ``package interlock`` hold, and which modules cannot be read.

    ``modules``: pairs of path and text, all loaded together, as OPA does.
    """
    # It lies in Interlock's own environment, which policies in Python are kept out of.
    from regopy import Interpreter, RegoError

    interpreter = Interpreter()
    # As a term: what is set as values comes out again with its quotes unescaped.
    interpreter.set_input_term(json.dumps(plan))
    forks.limit_memory(_MEMORY_MB)
    broken = []
    for path, text in modules:
        try:
            interpreter.add_module(path, text)
        except (RegoError, ValueError) as error:
            broken.append([path, str(error)])
    answers = {name: _value(interpreter, "data.interlock." + name) for name in ("deny", "warn")}
    return {"broken": broken, **answers}


def _value(interpreter, query):
    """[whether it has one, its value]; raises Refused where it cannot be evaluated."""
    try:
        told = str(interpreter.query(query))
        if told == "undefined":
            return [False, None]
        return [True, json.loads(told)["expressions"][0]]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise Refused("%s cannot be evaluated (a function that does not exist?)" % query) from error


def python(path, plan):
    """What ``check(plan)`` of the file at ``path`` gives, as a list of at most 1000."""
    forks.limit_memory(_MEMORY_MB)
    sys.path[:] = [os.path.dirname(path), *filter(_is_standard, sys.path)]
    spec = importlib.util.spec_from_file_location("interlock_policy", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["interlock_policy"] = module
    spec.loader.exec_module(module)
    check = getattr(module, "check", None)
    if not callable(check):
        raise Refused("it has no function check(plan)")
    given = check(plan)
    if given is None:
        raise Refused("check(plan) returned None, where a list of findings was expected")
    answers = list(itertools.islice(given, _MOST + 1))
    if len(answers) > _MOST:
        raise Refused("check(plan) gave more than %d findings" % _MOST)
    return {"answers": answers}


def _is_standard(entry):
    """Whether a folder on the path belongs to Python itself, and not to what is installed."""
    home = os.path.realpath(sysconfig.get_path("stdlib"))
    place = os.path.realpath(entry)
    inside = place == home or place.startswith(home + os.sep)
    return bool(entry) and (inside or place.endswith(".zip")) and "-packages" not in place


def main():
    Channel(sys.argv).serve({"rego": rego, "python": python})


if __name__ == "__main__":
    main()
