"""The ground that dbt's unit tests stand on: empty tables for sources, and what to build empty on top of them."""

import os

_BUILT = ("model", "seed", "snapshot")


def is_throw_away(manifest, home):
    """Whether dbt would build in a file below ``home`` and nowhere else."""
    from dbt.adapters.factory import FACTORY

    credentials = FACTORY.adapters["duckdb"].config.credentials
    place = os.path.realpath(str(credentials.path))
    return place.startswith(os.path.realpath(home) + os.sep) and not getattr(credentials, "attach", None)


class Ground:
    """What some unit tests need to be there. ``parents``: the nodes to build, by unique id."""

    def __init__(self, manifest, tests):
        self.manifest = manifest
        self.needs = {one: self._needs(manifest.unit_tests[one]) for one in tests}
        needed = sorted(set().union(*self.needs.values())) if self.needs else []
        self.sources = [one for one in needed if one in manifest.sources]
        self.parents = [one for one in needed if one in manifest.nodes and self._is_built(manifest.nodes[one])]
        for one in self.parents:
            # What runs beside a model is about real tables.
            config = manifest.nodes[one].config
            config.pre_hook, config.post_hook = [], []

    @staticmethod
    def _is_built(node):
        return str(node.resource_type) in _BUILT and node.config.materialized != "ephemeral"

    def _needs(self, test):
        """All that is upstream of the tested model, and the model where the test gives it rows of its own."""
        model = test.depends_on.nodes[0]
        own = [model] if any(given.input == "this" for given in test.given) else []
        queue = [*own, *self._above(model)]
        seen = dict.fromkeys(queue)
        for uid in queue:
            for other in self._above(uid):
                if other not in seen:
                    seen[other] = None
                    queue.append(other)
        return set(seen)

    def _above(self, uid):
        return getattr(getattr(self.manifest.nodes.get(uid), "depends_on", None), "nodes", [])

    def make_sources(self):
        """{source: why there is no table}; all others are there, empty, with the columns that they declare."""
        import duckdb
        from dbt.adapters.factory import FACTORY

        missing = {}
        with duckdb.connect(FACTORY.adapters["duckdb"].config.credentials.path) as database:
            for uid in self.sources:
                source = self.manifest.sources[uid]
                typed = ['"%s" %s' % (name, one.data_type) for name, one in source.columns.items() if one.data_type]
                table = '"%s"."%s" (%s)' % (source.schema, source.identifier, ", ".join(typed))
                try:
                    database.execute('create schema if not exists "%s"' % source.schema)
                    database.execute("create table " + table)
                except duckdb.Error as error:
                    missing[uid] = "the source %s.%s: %s" % (source.source_name, source.name, error)
        return missing

    def missing(self, sources, results, error):
        """{unit test: why it cannot be run}. ``results`` of the build; None where it did not begin."""
        why = dict(sources)
        if results is None:
            why.update({one: str(error or "dbt did not build it") for one in self.parents})
        for one in results or ():
            status = str(getattr(one.status, "value", one.status))
            if status not in ("success", "pass", "skipped"):
                told = (one.node.name, one.message or status)
                why[one.node.unique_id] = "%s could not be built empty: %s" % told
        return {
            test: "; ".join(why[one][:1000] for one in sorted(needs) if one in why)
            for test, needs in self.needs.items()
            if any(one in why for one in needs)
        }
