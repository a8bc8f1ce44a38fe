"""From dbt's manifest to resources: what each node is, what it depends on, and what its fingerprint is made of."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from interlock.catalog.fingerprint import combine
from interlock.catalog.reading import Context, UnitTest
from interlock.model.canonical import digest_of
from interlock.model.resources import Edge, Kind, Resource, key_of

KINDS = {"model": Kind.MODEL, "seed": Kind.SEED, "snapshot": Kind.SNAPSHOT}
# Settings that neither the warehouse nor its readers notice.
_SILENT_CONFIG = frozenset({"tags", "meta", "docs", "group", "access", "enabled", "static_analysis", "packages"})
_VAR = re.compile(r"\bvar\s*\(\s*(?:['\"](\w+)['\"])?")
_HOOKS_OF_DBT = re.compile(r"^(generate_\w+_name|materialization_|get_\w*incremental|snapshot_|.*__)")


class DbtNodes:
    """The nodes of one manifest. ``base`` is the dbt project's folder, ``variables`` its ``vars`` as declared."""

    def __init__(self, context: Context, base: str, manifest: dict[str, Any], variables: dict[str, Any]) -> None:
        self._context = context
        self._base = "" if base in ("", ".") else base.rstrip("/") + "/"
        self._variables = variables
        self._manifest = manifest
        self.package = manifest["metadata"]["project_name"]
        self._macros: dict[str, dict[str, Any]] = manifest.get("macros", {})
        # Macros of dbt itself lie outside of the project; packages that were vendored lie inside.
        self._own_macros = {uid for uid, macro in self._macros.items() if self._place(macro) is not None}
        # dbt calls these by itself, so no node names them.
        self._called_by_dbt = sorted(
            uid for uid in self._own_macros
            if _HOOKS_OF_DBT.match(self._macros[uid]["name"]) or self._overrides(self._macros[uid]["name"])
        )  # fmt: skip
        self._tests: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for node in manifest["nodes"].values():
            if node["resource_type"] == "test":
                for uid in {*node["depends_on"].get("nodes", []), node.get("attached_node")} - {None}:
                    self._tests[uid].append(node)
        for test in manifest.get("unit_tests", {}).values():
            for uid in test["depends_on"].get("nodes", [])[:1]:
                self._tests[uid].append(test)

    def _place(self, node: dict[str, Any], path: str = "") -> str | None:
        """Where in the project a node's file lies (or ``path`` of the node's package); None when it lies elsewhere."""
        path = path or node["original_file_path"]
        if node["package_name"] != self.package:
            path = f"dbt_packages/{node['package_name']}/{path}"
        full = self._base + path.replace("\\", "/")
        return full if self._context.sources.exists(full) else None

    def _overrides(self, name: str) -> bool:
        return any(f"macro.{package}.{name}" in self._macros for package in ("dbt", self._adapter_package))

    @property
    def _adapter_package(self) -> str:
        return f"dbt_{self._manifest['metadata'].get('adapter_type', '')}"

    def key(self, unique_id: str) -> str | None:
        """The resource key of a node; None for tests, sources, operations."""
        node = self._manifest["nodes"].get(unique_id)
        if node is None or node["resource_type"] not in KINDS:
            return None
        name = node["name"] if not node.get("version") else f"{node['name']}.v{node['version']}"
        return key_of(KINDS[node["resource_type"]], f"{node['package_name']}.{name}")

    def resources(self, lock_digest: str) -> tuple[list[Resource], list[Edge]]:
        """Every model, seed and snapshot that is enabled, and the edges between them, to sources and to exposures."""
        resources: list[Resource] = []
        edges: list[Edge] = []
        for uid, node in self._manifest["nodes"].items():
            key = self.key(uid)
            if key is not None:
                resources.append(self._resource(key, uid, node, lock_digest))
                edges += self._edges(key, node)
        for exposure in self._manifest.get("exposures", {}).values():
            for uid in exposure["depends_on"].get("nodes", []):
                source = self.key(uid) or self._source(uid)
                if source:
                    edges.append(Edge(source, f"exposure:{exposure['name']}", "reads"))
        return resources, edges

    def unit_tests(self, resources: Iterable[Resource], lock_digest: str) -> list[UnitTest]:
        """Every unit test of the project's own models, by unique id."""
        by_key = {one.key: one for one in resources}
        found = []
        for uid, test in sorted(self._manifest.get("unit_tests", {}).items()):
            model = next(iter(test["depends_on"].get("nodes", [])), "")
            key, path = self.key(model), self._place(test)
            if key is not None and path is not None:
                found.append(self._unit_test(uid, test, key, path, by_key, lock_digest))
        return found

    def _unit_test(
        self, uid: str, test: dict[str, Any], key: str, path: str, by_key: dict[str, Resource], lock_digest: str
    ) -> UnitTest:
        upstream = self._upstream(test)
        nodes = [by_key[other] for one in upstream if (other := self.key(one)) in by_key]
        sources = {one: self._manifest["sources"][one] for one in upstream if one in self._manifest.get("sources", {})}
        parts = {one.key: one.fingerprint for one in nodes} | {
            one: digest_of([source["database"], source["schema"], source["identifier"], _types(source)])
            for one, source in sources.items()
        }
        files = {path, *(file for one in nodes for file in one.files)}
        files |= {file for source in sources.values() if (file := self._place(source))}
        untyped = [f"{one['source_name']}.{one['name']}" for one in sources.values() if not _types(one)]
        fingerprint = digest_of([self._test_part(test), combine(parts), lock_digest])
        return UnitTest(uid, test["name"], key, path, fingerprint, tuple(sorted(files)), tuple(sorted(untyped)))

    def _upstream(self, node: dict[str, Any]) -> list[str]:
        """The unique ids of what a node depends on, and of what that depends on, and so on."""
        queue = list(node["depends_on"].get("nodes", []))
        seen = dict.fromkeys(queue)
        for uid in queue:
            for other in self._manifest["nodes"].get(uid, {}).get("depends_on", {}).get("nodes", []):
                if other not in seen:
                    seen[other] = None
                    queue.append(other)
        return queue

    def _edges(self, key: str, node: dict[str, Any]) -> Iterable[Edge]:
        for uid in dict.fromkeys(node["depends_on"].get("nodes", [])):
            upstream, source = self.key(uid), self._source(uid)
            if upstream:
                yield Edge(upstream, key, "ref")
            elif source:
                yield Edge(source, key, "reads")
        if node["config"].get("materialized") != "ephemeral":
            yield Edge(key, f"warehouse:{node['schema']}.{node.get('alias') or node['name']}", "writes")

    def _source(self, unique_id: str) -> str | None:
        source = self._manifest.get("sources", {}).get(unique_id)
        return f"warehouse:{source['schema']}.{source['identifier']}" if source else None

    def _resource(self, key: str, uid: str, node: dict[str, Any], lock_digest: str) -> Resource:
        config = node["config"]
        macros = self._macros_of(node)
        path = self._place(node) or self._base + node["original_file_path"]
        parts = self._parts(uid, node, path, macros, lock_digest)
        depends_on = [other for one in node["depends_on"].get("nodes", []) if (other := self.key(one))]
        settings = {
            "unique_id": uid, "resource_type": node["resource_type"], "materialized": config.get("materialized"),
            "schema": node["schema"], "alias": node.get("alias") or node["name"], "database": config.get("database"),
            "unique_key": config.get("unique_key"), "incremental_strategy": config.get("incremental_strategy"),
            "depends_on": sorted(set(depends_on)),
            "columns": {name: column.get("data_type") for name, column in node.get("columns", {}).items()},
            "contract": bool((config.get("contract") or {}).get("enforced")),
            "tags": sorted(node.get("tags") or []), "language": node.get("language", "sql"),
            "tests": sorted(test["unique_id"] for test in self._tests[uid]),
        }  # fmt: skip
        files = {path, *(file for macro in macros if (file := self._place(self._macros[macro])))}
        files |= {file for one in (node, *self._tests[uid]) if (file := self._yaml_of(one))}
        owner = (config.get("meta") or {}).get("owner") or node.get("group") or ""
        return Resource(key, path, tuple(sorted(files)), combine(parts), parts, settings, str(owner))

    def _yaml_of(self, node: dict[str, Any]) -> str | None:
        patch = node.get("patch_path")
        if patch:
            return self._place(node, patch.partition("://")[2])
        return self._place(node) if node["resource_type"] in ("test", "unit_test") else None

    def _parts(self, uid: str, node: dict[str, Any], path: str, macros: list[str], lock_digest: str) -> dict[str, str]:
        config = {name: value for name, value in node["config"].items() if name not in _SILENT_CONFIG}
        config.pop("contract", None)
        parts = {
            "config": digest_of([config, node.get("alias"), node["resource_type"], node["name"]]),
            "runtime": lock_digest,
        }
        code = node.get("raw_code") or ""
        if node["resource_type"] == "seed":
            parts["data"] = self._context.sources.digest(path)
        elif node.get("language") == "python":
            parts["sql"] = self._context.prints.python(code.encode())
        else:
            parts["sql"] = self._context.prints.jinja_sql(code)
        if macros:
            parts["macros"] = combine({uid: self._macro_part(uid) for uid in macros})
        contract = self._contract(node)
        if contract:
            parts["contract"] = digest_of(contract)
        if self._tests[uid]:
            parts["tests"] = combine({test["unique_id"]: self._test_part(test) for test in self._tests[uid]})
        used = self._vars_used([code, *(self._macros[macro]["macro_sql"] for macro in macros)])
        if used is not None:
            parts["vars"] = digest_of(used)
        return parts

    def _contract(self, node: dict[str, Any]) -> list[Any]:
        """What the YAML says of columns: types and constraints, and descriptions where they reach the database."""
        if not node.get("columns") and not node.get("constraints"):
            return []
        persisted = any((node["config"].get("persist_docs") or {}).values())
        columns = {}
        for name, column in node.get("columns", {}).items():
            said = [column.get("data_type"), column.get("constraints"), column.get("quote")]
            columns[name] = [*said, column.get("description")] if persisted else said
        enforced = (node["config"].get("contract") or {}).get("enforced", False)
        if not enforced and not persisted and not any(any(said) for said in columns.values()):
            return []
        return [enforced, columns, node.get("constraints"), node.get("description") if persisted else ""]

    def _macros_of(self, node: dict[str, Any]) -> list[str]:
        """The project's own macros that a node runs, directly or through others."""
        queue = [*node["depends_on"].get("macros", []), *self._called_by_dbt]
        seen = dict.fromkeys(queue)
        for uid in queue:
            for other in self._macros.get(uid, {}).get("depends_on", {}).get("macros", []):
                if other not in seen:
                    seen[other] = None
                    queue.append(other)
        return sorted(uid for uid in seen if uid in self._own_macros)

    def _macro_part(self, uid: str) -> str:
        return self._context.prints.jinja_sql(self._macros[uid]["macro_sql"])

    def _test_part(self, test: dict[str, Any]) -> str:
        config = {name: value for name, value in test["config"].items() if name not in _SILENT_CONFIG}
        if test["resource_type"] == "unit_test":
            return digest_of([test["given"], test["expect"], test.get("overrides"), config])
        own = {uid: self._macro_part(uid) for uid in test["depends_on"].get("macros", []) if uid in self._own_macros}
        code = self._context.prints.jinja_sql(test.get("raw_code") or "")
        return digest_of([code, test.get("test_metadata"), test.get("column_name"), config, own])

    def _vars_used(self, texts: Iterable[str]) -> dict[str, Any] | None:
        """The declared values of the variables that the code names; all of them where a name is computed."""
        names = [found for text in texts for found in _VAR.findall(text)]
        if not names:
            return None
        if "" in names:
            return self._variables
        scopes = [self._variables, *(value for value in self._variables.values() if isinstance(value, dict))]
        return {name: [scope[name] for scope in scopes if name in scope] for name in sorted(set(names))}


def _types(source: dict[str, Any]) -> dict[str, str]:
    """The data types that a source declares, by column."""
    columns = source.get("columns", {}).items()
    return {name: column["data_type"] for name, column in columns if column.get("data_type")}
