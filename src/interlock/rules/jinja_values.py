"""What dbt's Jinja works with while a file is rendered without dbt: relations, configs, and what nobody can know.

An ``Opaque`` stands for a value that only a run of dbt has: the result of a query, a macro of a package that is not
there, a variable without a value. It can be called, indexed, iterated (as one element) and calculated with, and becomes
a placeholder such as ``__opaque_1__`` in the text. Where it decides a branch or a loop, ``Trace.decided`` says so.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

_NO_WORD = re.compile(r"\W")
# What jinja2 asks of every value, and takes for a yes.
NO_FIELDS = frozenset({"jinja_pass_arg", "unsafe_callable", "alters_data"})
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Trace:
    """What one rendering came across. ``opaque``: placeholder -> what it stands for. ``relations``: identifier in the
    text -> ["ref", package, model, version] or ["source", source, table] or ["this"]."""

    opaque: dict[str, str] = field(default_factory=dict)
    relations: dict[str, list[str]] = field(default_factory=dict)
    refs: dict[tuple[str, str, str], None] = field(default_factory=dict)
    sources: dict[tuple[str, str], None] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    decided: bool = False

    def unknown(self, what: str) -> "Opaque":
        return Opaque(self, what)


class Opaque:
    """A value that is not known; see the module. The sandbox keeps templates from its fields."""

    __slots__ = ("_mark", "_trace", "_what")

    def __init__(self, trace: Trace, what: str) -> None:
        self._trace, self._what, self._mark = trace, what[:120], ""

    def __str__(self) -> str:
        if not self._mark:
            self._mark = f"__opaque_{len(self._trace.opaque) + 1}__"
            self._trace.opaque[self._mark] = self._what
        return self._mark

    def __html__(self) -> str:
        return str(self)

    def __format__(self, spec: str) -> str:
        return str(self)

    def __getattr__(self, name: str) -> "Opaque":
        if name.startswith("_") or name in NO_FIELDS:
            raise AttributeError(name)
        return Opaque(self._trace, f"{self._what}.{name}")

    def __getitem__(self, key: Any) -> "Opaque":
        return Opaque(self._trace, self._what)

    def __call__(self, *args: Any, **kwargs: Any) -> "Opaque":
        caller = kwargs.get("caller")
        if callable(caller):
            caller()
        return Opaque(self._trace, self._what)

    def _calculated(self, *others: Any) -> "Opaque":
        return Opaque(self._trace, self._what)

    def _decides(self, answer: Any) -> Any:
        self._trace.decided = True
        return answer

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _calculated
    __mod__ = __floordiv__ = __rfloordiv__ = __pow__ = __neg__ = __pos__ = __abs__ = _calculated
    __hash__ = object.__hash__

    def __rmod__(self, other: Any) -> str:
        return f"{other}{self}"

    def __bool__(self) -> bool:
        return bool(self._decides(True))

    def __eq__(self, other: object) -> bool:
        return bool(self._decides(False))

    def __ne__(self, other: object) -> bool:
        return bool(self._decides(True))

    def __lt__(self, other: Any) -> bool:
        return bool(self._decides(False))

    __le__ = __gt__ = __ge__ = __contains__ = __lt__

    def __iter__(self) -> Iterator["Opaque"]:
        self._trace.decided = True
        return iter((Opaque(self._trace, self._what),))

    def __len__(self) -> int:
        return int(self._decides(1))

    def __int__(self) -> int:
        return int(self._decides(1))

    __index__ = __int__

    def __float__(self) -> float:
        return float(self._decides(1.0))


class Relation:
    """A model, seed, snapshot or source; in the text an identifier that leads back to it."""

    def __init__(self, trace: Trace, identifier: str, told: list[str], name: str) -> None:
        self._trace, self._identifier = trace, identifier
        trace.relations.setdefault(identifier, told)
        self.identifier = self.name = self.table = name
        self.is_table, self.is_view, self.is_cte, self.type = True, False, False, "table"

    def __str__(self) -> str:
        return self._identifier

    def __html__(self) -> str:
        return self._identifier

    def render(self) -> str:
        return self._identifier

    def include(self, *args: Any, **kwargs: Any) -> "Relation":
        return self

    quote = include

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return Opaque(self._trace, f"{self._identifier}.{name}")


def relation_for_ref(trace: Trace, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """``ref(...)``: ``__ref__model``, ``__ref__package__model``, ``__ref__model__v2``."""
    if not args or len(args) > 2 or not all(isinstance(one, str) for one in args):
        return trace.unknown("ref")
    package, name = ("", args[0]) if len(args) == 1 else (str(args[0]), args[1])
    version = kwargs.get("v", kwargs.get("version", ""))
    version = "" if version is None else str(version)
    trace.refs[(package, str(name), version)] = None
    parts = [*([package] if package else []), str(name), *([f"v{version}"] if version else [])]
    identifier = "__ref__" + "__".join(_NO_WORD.sub("_", part) for part in parts)
    return Relation(trace, identifier, ["ref", package, str(name), version], str(name))


def relation_for_source(trace: Trace, args: tuple[Any, ...]) -> Any:
    """``source('a', 'b')``: ``__source__a__b``."""
    if len(args) != 2 or not all(isinstance(one, str) for one in args):
        return trace.unknown("source")
    trace.sources[(str(args[0]), str(args[1]))] = None
    identifier = "__source__" + "__".join(_NO_WORD.sub("_", str(part)) for part in args)
    return Relation(trace, identifier, ["source", str(args[0]), str(args[1])], str(args[1]))


class Config:
    """``config(...)`` and ``config.get(...)``: what the file itself sets, then what its project sets."""

    def __init__(self, trace: Trace, defaults: Mapping[str, Any]) -> None:
        self._trace, self._defaults = trace, defaults

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        for one in args:
            if isinstance(one, dict):
                self._trace.config.update({str(key): value for key, value in one.items()})
        self._trace.config.update(kwargs)
        return ""

    def get(self, name: Any, default: Any = None, validator: Any = None) -> Any:
        found = self._trace.config.get(str(name), self._defaults.get(str(name)))
        return default if found is None else found

    def require(self, name: Any, validator: Any = None) -> Any:
        found = self.get(name)
        return self._trace.unknown(f"config.{name}") if found is None else found

    meta_get = get
    meta_require = require

    def persist_relation_docs(self) -> bool:
        return False

    persist_column_docs = persist_relation_docs

    def set(self, name: Any, value: Any) -> str:
        self._trace.config[str(name)] = value
        return ""


class Record:
    """A value of which some fields are known, and the others not: ``target``, ``model``, ``flags``."""

    def __init__(self, trace: Trace, name: str, known: Mapping[str, Any]) -> None:
        self._trace, self._name, self._known = trace, name, dict(known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: Any) -> Any:
        found = self._known.get(name, self)
        return self._trace.unknown(f"{self._name}.{name}") if found is self else found

    def get(self, name: Any, default: Any = None) -> Any:
        return self._known.get(name, self._trace.unknown(f"{self._name}.{name}"))

    def __str__(self) -> str:
        return str(self._trace.unknown(self._name))


class _Clock(datetime):
    """``datetime`` on a day that does not change, so that a rendering is always the same."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return NOW if tz is not None else NOW.replace(tzinfo=None)

    @classmethod
    def utcnow(cls) -> datetime:  # type: ignore[override]
        return NOW.replace(tzinfo=None)

    @classmethod
    def today(cls) -> datetime:  # type: ignore[override]
        return NOW.replace(tzinfo=None)


class _Day(date):
    @classmethod
    def today(cls) -> date:  # type: ignore[override]
        return NOW.date()


CLOCK: Mapping[str, Callable[..., Any]] = {"datetime": _Clock, "date": _Day}
