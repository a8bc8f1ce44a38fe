"""dbt's node selection, as far as it can be answered from the manifest alone."""

import re
from collections import defaultdict, deque
from fnmatch import fnmatchcase
from typing import Any

_GRAPH = re.compile(r"^(?P<at>@)?(?P<up>\d*\+)?(?P<body>.+?)(?P<down>\+\d*)?$")
_WILD = re.compile(r"[*?\[]")
_ANYTHING_ELSE = re.compile(r"[{}$`]|ilk_unknown")


class UnknownSelection(Exception):
    """A selector that only a run of dbt can answer; the text says which and why."""


class Selection:
    """Answers selectors over the facts of dbt's nodes (see ``dbt_reader``)."""

    def __init__(self, facts: dict[str, dict[str, Any]]) -> None:
        self._facts = facts
        self._children: dict[str, list[str]] = defaultdict(list)
        for key, fact in facts.items():
            for parent in fact["parents"]:
                self._children[parent].append(key)
        self._parents = {key: fact["parents"] for key, fact in facts.items()}
        self._answers: dict[str, frozenset[str]] = {}
        # Selectors without wildcards are looked up; only patterns go through all nodes.
        self._index: dict[tuple[str, str], set[str]] = defaultdict(set)
        for key, fact in facts.items():
            self._enter(key, fact)

    def nodes(self, select: list[str], exclude: list[str] | None = None) -> set[str]:
        """Keys of everything selected; all nodes where ``select`` is empty. Raises UnknownSelection."""
        chosen = self._union(select) if select else set(self._facts)
        return chosen - self._union(exclude or [])

    def _union(self, specs: list[str]) -> set[str]:
        found: set[str] = set()
        for spec in specs:
            for one in spec.split():
                if one not in self._answers:
                    parts = [self._one(part) for part in one.split(",")]
                    self._answers[one] = frozenset(set.intersection(*parts))
                found |= self._answers[one]
        return found

    def _one(self, spec: str) -> set[str]:
        if _ANYTHING_ELSE.search(spec):
            raise UnknownSelection(f"'{spec}' is filled in when the task runs")
        match = _GRAPH.match(spec)
        if match is None:
            raise UnknownSelection(f"'{spec}' is not a selector")
        chosen = self._method(match["body"])
        found = set(chosen)
        if match["at"]:
            below = self._reach(chosen, self._children, None)
            return chosen | below | self._reach(chosen | below, self._parents, None)
        if match["up"]:
            found |= self._reach(chosen, self._parents, _depth(match["up"].rstrip("+")))
        if match["down"]:
            found |= self._reach(chosen, self._children, _depth(match["down"].lstrip("+")))
        return found

    def _enter(self, key: str, fact: dict[str, Any]) -> None:
        path = fact["path"]
        for tag in fact["tags"]:
            self._index["tag", tag].add(key)
        for end in (*(i for i, letter in enumerate(path) if letter == "/"), len(path)):
            self._index["path", path[:end]].add(key)
        self._index["file", path.rpartition("/")[2]].add(key)
        if fact["type"] not in ("source", "exposure"):
            self._index["name", fact["name"]].add(key)
            for fqn in (fact["fqn"], fact["fqn"][1:]):
                for count in range(1, len(fqn) + 1):
                    self._index["name", ".".join(fqn[:count])].add(key)

    def _reach(self, start: set[str], links: dict[str, list[str]], depth: int | None) -> set[str]:
        seen: set[str] = set()
        queue = deque((key, 0) for key in start)
        while queue:
            key, distance = queue.popleft()
            if depth is not None and distance >= depth:
                continue
            for other in links.get(key, ()):
                if other not in seen:
                    seen.add(other)
                    queue.append((other, distance + 1))
        return seen

    def _method(self, body: str) -> set[str]:
        method, colon, value = body.partition(":")
        if not colon:
            # A bare name is a file name, a path or a qualified name, as dbt tries them.
            if "/" in body or body.endswith((".sql", ".py", ".csv")):
                return self._by_path(body)
            return self._by_name(body)
        if method in ("tag", "path", "fqn", "file", "package", "resource_type", "source", "exposure"):
            return self._by_method(method, value)
        if method == "config.materialized":
            return {key for key, fact in self._facts.items() if fact["materialized"] == value}
        raise UnknownSelection(f"selectors of method '{method}' are answered by dbt alone")

    def _by_method(self, method: str, value: str) -> set[str]:
        if method == "path":
            return self._by_path(value)
        if method == "fqn":
            return self._by_name(value)
        if method in ("tag", "file") and not _WILD.search(value):
            return set(self._index.get((method, value), ()))
        return {key for key, fact in self._facts.items() if _matches(method, value, fact)}

    def _by_path(self, value: str) -> set[str]:
        value = value.removeprefix("./").rstrip("/")
        found = self._looked_up("path", value)
        return found or self._looked_up("file", value)

    def _by_name(self, value: str) -> set[str]:
        return self._looked_up("name", value)

    def _looked_up(self, what: str, value: str) -> set[str]:
        if not _WILD.search(value):
            return set(self._index.get((what, value), ()))
        if what != "name":
            return {
                key
                for (kind, text), keys in self._index.items()
                if kind == what and fnmatchcase(text, value)
                for key in keys
            }
        wanted = value.split(".")
        return {
            key
            for key, fact in self._facts.items()
            if fact["type"] not in ("source", "exposure")
            and (
                fnmatchcase(fact["name"], value) or any(_starts(fqn, wanted) for fqn in (fact["fqn"], fact["fqn"][1:]))
            )
        }


def _starts(fqn: list[str], wanted: list[str]) -> bool:
    if len(wanted) > len(fqn):
        return False
    return all(fnmatchcase(have, want) for have, want in zip(fqn, wanted, strict=False))


def _matches(method: str, value: str, fact: dict[str, Any]) -> bool:
    if method == "tag":
        return any(fnmatchcase(tag, value) for tag in fact["tags"])
    if method == "file":
        return fnmatchcase(fact["path"].rpartition("/")[2], value)
    if method == "package":
        return fnmatchcase(fact["package"], value)
    if method == "resource_type":
        return value in (fact["type"], "all")
    if method == "source":
        return fact["type"] == "source" and _source_matches(fact, value)
    return fact["type"] == "exposure" and fnmatchcase(fact["name"], value)


def _source_matches(fact: dict[str, Any], value: str) -> bool:
    parts = value.split(".")
    names = [fact["source"], fact["name"]]
    if len(parts) == 3:
        names = [fact["package"], *names]
    return all(fnmatchcase(have, want) for have, want in zip(names, parts, strict=False))


def _depth(text: str) -> int | None:
    return int(text) if text else None
