"""What Interlock asks of a warehouse, whichever it is. Vendor libraries are loaded when a session opens."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from interlock.adapters.dbt.relations import Kind, Move, Moved, Obstacle, Relation, Role
from interlock.adapters.dbt.warehouse_duckdb import DuckDbSession
from interlock.adapters.dbt.warehouse_postgres import PostgresSession
from interlock.config.models import DuckDbWarehouse, Environment, PostgresWarehouse
from interlock.model.errors import ConfigError


class WarehouseSession(Protocol):
    """One connection. Statements commit by themselves; ``copy_table`` and ``swap`` are one transaction each.

    Every method raises ``WarehouseError`` when the warehouse refuses or vanishes.
    """

    dialect: str

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement."""
        ...

    def kind(self, relation: Relation) -> Kind | None:
        """What stands at the name, ``None`` if nothing does."""
        ...

    def kinds(self) -> dict[Relation, Kind]:
        """Everything that stands in the database: one question, where asking for each takes the square of the time."""
        ...

    def columns(self, relation: Relation) -> dict[str, str]:
        """Column names with their types, in order."""
        ...

    def beside(self, relation: Relation, role: Role, tag: str) -> Relation:
        """The name beside production that this relation has as a candidate, or once it was replaced or undone."""
        ...

    def prepare(self, candidates: Iterable[Relation], live: dict[Relation, Relation]) -> None:
        """Candidates of an earlier, interrupted attempt are gone and the schemas are there. ``live``: by candidate."""
        ...

    def discard(self, candidates: Iterable[Relation]) -> None:
        """The candidates are gone, as far as they were there."""
        ...

    def copy_table(self, source: Relation, target: Relation) -> dict[str, Any]:
        """``target`` holds what ``source`` held at one moment; returns the fingerprint of that moment."""
        ...

    def obstacles(self, relations: Sequence[Relation]) -> list[Obstacle]:
        """What keeps these live relations from being replaced."""
        ...

    def lost_columns(self, live: Relation, candidate: Relation) -> list[str]:
        """Views outside the release that read a column that the candidate no longer has, as ``view: column``."""
        ...

    def mark(self, id: str, item: str, data: dict[str, Any]) -> None:
        """A fact is kept in the warehouse, once."""
        ...

    def unmark(self, id: str) -> None:
        """The facts kept under ``id`` are forgotten."""
        ...

    def marks(self, id: str) -> dict[str, dict[str, Any]]:
        """The facts kept under ``id``, by item."""
        ...

    def swap(self, id: str, moves: Sequence[Move], fence: Callable[[], None]) -> tuple[list[Moved], bool]:
        """All moves are done in one transaction, or none is; returns what was done, and whether it was done now.

        Moves that an earlier call with the same ``id`` has committed are not done again. ``fence`` is called right
        before the commit. Raises ``StaleError`` if a live table is not what a move expects, ``RefusedError`` for an
        obstacle, ``HeldError`` if readers or writers did not let go in time.
        """
        ...

    def tidy(self) -> None:
        """Empty schemas that stood beside production are gone."""
        ...

    def retire(self, older: timedelta, spare: str = "") -> list[str]:
        """Relations that were replaced or undone longer ago than that are dropped; returns their names.

        Those of the mark ``spare`` stay, however the clock jumps.
        """
        ...


@dataclass(frozen=True)
class Access:
    """How to reach an environment's warehouse: ours, and what the dbt worker's profile reads."""

    warehouse: DuckDbWarehouse | PostgresWarehouse
    root: Path
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    @property
    def schema(self) -> str:
        return self.warehouse.schema_name

    @property
    def password(self) -> str | None:
        """The password from the declared variable; ``ConfigError`` if that is not set."""
        if isinstance(self.warehouse, DuckDbWarehouse) or self.warehouse.password_env is None:
            return None
        name = self.warehouse.password_env
        if name not in self.environ:
            raise ConfigError(
                f"the warehouse's password variable {name} is not set", remedy=f"Set {name} before you start again."
            )
        return self.environ[name]

    def session(self) -> WarehouseSession:
        """A new session, to be used in a ``with`` statement. ``UnreachableError`` or ``HeldError`` if none opens."""
        if isinstance(self.warehouse, DuckDbWarehouse):
            return DuckDbSession((self.root / self.warehouse.path).absolute())
        return PostgresSession(self.warehouse, self.password)

    def profile_environment(self) -> dict[str, str]:
        """The variables that the project's profiles.yml reads."""
        warehouse = self.warehouse
        if isinstance(warehouse, DuckDbWarehouse):
            path = (self.root / warehouse.path).absolute()
            return {
                "ILK_WAREHOUSE_TYPE": "duckdb",
                "ILK_WAREHOUSE_PATH": str(path),
                "ILK_WAREHOUSE_SCHEMA": self.schema,
            }
        return {
            "ILK_WAREHOUSE_TYPE": "postgres",
            "ILK_WAREHOUSE_HOST": warehouse.host,
            "ILK_WAREHOUSE_PORT": str(warehouse.port),
            "ILK_WAREHOUSE_DATABASE": warehouse.database,
            "ILK_WAREHOUSE_USER": warehouse.user,
            "ILK_WAREHOUSE_PASSWORD": self.password or "",
            "ILK_WAREHOUSE_SCHEMA": self.schema,
        }


def access_to(environment: Environment, root: Path) -> Access:
    """The environment's warehouse; ``ConfigError`` if it declares none."""
    if environment.warehouse is None:
        raise ConfigError(
            "the environment has no warehouse", remedy="Add 'warehouse' to the environment in interlock.yaml."
        )
    return Access(environment.warehouse, root)
