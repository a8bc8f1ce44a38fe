"""dbt says the same in two thirds of the time (docs/benchmarks.md: `dbt parse`, and dbt alone).

What it derives from its own classes alone is taken from the runtime, where that was worked out when it was built. What
it works out twice, it works out once.
"""

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import pkgutil
import sys

_LONGEST_CONFIG = 4000
_SCHEMAS = "dbt-schemas.json"
# What dbt 1.11 validates while it parses.
_VALIDATED = {
    "dbt.contracts.project": ("ProjectFlags", "ProfileConfig", "Project", "PackageConfig", "Configuration"),
    "dbt.contracts.selection": ("SelectorFile",),
    "dbt.artifacts.resources": (
        "ModelConfig", "TestConfig", "SourceConfig", "SeedConfig", "SnapshotConfig", "ExposureConfig",
        "UnitTestConfig", "Contract",
    ),
    "dbt.contracts.graph.nodes": ("ModelNode", "GenericTestNode", "SingularTestNode", "SeedNode", "SnapshotNode"),
    "dbt.contracts.graph.unparsed": (
        "UnparsedModelUpdate", "UnparsedNodeUpdate", "UnparsedSourceDefinition", "UnparsedExposure",
        "UnparsedUnitTest",
    ),
}  # fmt: skip


def hasten():
    """From now on, in this process. Before dbt 1.8 only the collector and the writing of JSON change."""
    # The collector goes through a growing manifest less often.
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    json.dump = _dump
    try:
        from dbt_common.clients.jinja import MacroFuzzEnvironment
        from dbt_common.dataclass_schema import dbtClassMixin
    except ImportError:
        return
    _recall_schemas(dbtClassMixin)
    _validate_once(dbtClassMixin)
    _parse_once(MacroFuzzEnvironment)


def keep_schemas(folder):
    """The JSON schemas of what dbt validates are in a file in ``folder``, for all parses of this very dbt."""
    from dbt_common.dataclass_schema import dbtClassMixin

    derive = dbtClassMixin.json_schema.__func__
    schemas = {_name(one): derive(one) for one in [*validated(), *_credentials()]}
    with open(os.path.join(folder, _SCHEMAS), "w") as file:
        file.write(json.dumps(schemas))


def kept_schemas():
    """{class: JSON schema} of this runtime; empty where none were kept when it was built."""
    try:
        with open(os.path.join(sys.prefix, "interlock", _SCHEMAS)) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def adapters():
    """The names of the adapters' modules that are installed."""
    import dbt.adapters

    for found in pkgutil.iter_modules(dbt.adapters.__path__):
        # An adapter is a package with a plugin; what all adapters share lies beside them.
        if found.ispkg and importlib.util.find_spec("dbt.adapters.%s.connections" % found.name):
            yield "dbt.adapters.%s" % found.name


def validated():
    """The classes of this dbt that every parse asks for their JSON schema."""
    for module, names in _VALIDATED.items():
        with contextlib.suppress(ImportError):
            holder = importlib.import_module(module)
            yield from (getattr(holder, name) for name in names if hasattr(holder, name))


def _credentials():
    for module in adapters():
        plugin = getattr(importlib.import_module(module), "Plugin", None)
        if plugin is not None:
            yield plugin.credentials


def _recall_schemas(mixin):
    """Working them out anew takes dbt 50 ms a class, and 0.8 s for the 15 of the scale project."""
    kept = kept_schemas()
    derive = mixin.json_schema.__func__

    def json_schema(cls):
        schema = kept.get(_name(cls))
        return derive(cls) if schema is None else schema

    mixin.json_schema = classmethod(json_schema)


def _name(cls):
    return "%s.%s" % (cls.__module__, cls.__qualname__)


def _validate_once(mixin):
    """A configuration that was found valid is not validated again: of 1,200 of tests, some 80 differ."""
    validate = mixin.validate.__func__
    valid = set()

    def once(cls, data):
        told = (cls, repr(data))
        if told not in valid:
            validate(cls, data)
            if len(told[1]) <= _LONGEST_CONFIG:
                valid.add(told)

    mixin.validate = classmethod(once)


def _parse_once(environment):
    """A macro's text is parsed when it is found and again for what it calls, in an environment of its own each time.

    dbt only ever searches what ``parse`` gives; what is compiled is parsed on a way of its own.
    """
    parse, trees = environment.parse, {}

    def once(self, source, name=None, filename=None):
        key = (source, name, filename)
        tree = trees.get(key)
        if tree is None:
            tree = trees[key] = parse(self, source, name, filename)
        return tree

    environment.parse = once


def _dump(data, file, **options):
    """What ``json.dump`` writes. That one encodes piece by piece in Python, which takes three times as long."""
    file.write(json.dumps(data, **options))
