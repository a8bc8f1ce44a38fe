"""The shape of interlock.yaml. Every model refuses unknown keys and is frozen."""

import re
from datetime import date, timedelta
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from interlock.model.compatibility import Mode


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not path or path.startswith(("/", "~")) or ".." in parts or "\\" in path or "\0" in path:
        raise ValueError("a path inside the project, relative and without '..', was expected")
    return path


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        found = re.fullmatch(r"(\d+)\s*([smhdw])", value.strip())
        if not found:
            raise ValueError("a duration such as 90s, 15m, 26h or 7d was expected")
        return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    return value


ProjectPath = Annotated[str, AfterValidator(_inside)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Share = Annotated[float, Field(ge=0)]


class Model(BaseModel):
    """A frozen model that refuses keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RuntimeConfig(Model):
    """A locked interpreter (``python`` and ``lock``), or an existing one (``interpreter``)."""

    python: str | None = None
    lock: ProjectPath | None = None
    requirements: ProjectPath | None = None
    interpreter: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "RuntimeConfig":
        if (self.interpreter is None) == (self.lock is None):
            raise ValueError("either 'lock' or 'interpreter' was expected, and not both")
        return self


class AirflowSection(Model):
    """Where the DAGs are; ``include`` are further import roots, deployed beside them."""

    dags: ProjectPath
    include: tuple[ProjectPath, ...] = ()
    runtime: str = "airflow"


class DbtSection(Model):
    """Where the dbt project is."""

    project: ProjectPath
    runtime: str = "dbt"


class SparkSection(Model):
    """Globs of job and stream scripts; ``include`` are import roots of packages that they share."""

    jobs: tuple[ProjectPath, ...] = ()
    streams: tuple[ProjectPath, ...] = ()
    include: tuple[ProjectPath, ...] = ()
    runtime: str = "spark"


def _policy(path: str) -> str:
    if not path.endswith((".rego", ".py")):
        raise ValueError("a pattern that ends in .rego or .py was expected")
    return path


PolicyPath = Annotated[ProjectPath, AfterValidator(_policy)]


class TerraformRetention(Model):
    """How long backups (snapshots too) and logs must be kept at least."""

    backups: Duration | None = None
    logs: Duration | None = None


class TerraformSection(Model):
    """Root modules, found by looking where none are named; globs of policies that plans are put before.

    ``timeout``: what one run of Terraform, and one policy, may take.
    """

    roots: tuple[ProjectPath, ...] = ()
    policies: tuple[PolicyPath, ...] = ("policies/*.rego", "policies/*.py")
    retention: TerraformRetention = TerraformRetention()
    timeout: Duration = timedelta(minutes=1)


class SchemasSection(Model):
    """What versions of a schema promise each other. ``subjects`` maps a subject or a pattern to its own mode.

    A subject is a schema file: its name without the ending, or, with a ``/``, its path. The first that fits counts.
    """

    mode: Mode = Mode.BACKWARD
    subjects: dict[str, Mode] = {}


class AirflowApi(Model):
    """Airflow's REST API; user and password are read from the named environment variables at run time."""

    url: str
    user_env: str = "AIRFLOW_API_USER"
    password_env: str = "AIRFLOW_API_PASSWORD"
    timeout: Duration = timedelta(minutes=5)


class AirflowTarget(Model):
    """The folder that holds versioned DAG trees; Airflow's ``dags_folder`` is ``<root>/current/<dags>``."""

    root: str
    api: AirflowApi | None = None


class SparkTarget(Model):
    """The folder that holds versioned jobs and the launcher."""

    root: str


class DbtTarget(Model):
    """The folder that holds versioned dbt projects (``<root>/current``) and the profile's target."""

    root: str
    target: str | None = None


class DuckDbWarehouse(Model):
    """One DuckDB file. A relative path counts from the project."""

    type: Literal["duckdb"]
    path: str
    schema_name: str = Field("analytics", alias="schema")


class PostgresWarehouse(Model):
    """A PostgreSQL database; the password is read from ``password_env`` at run time."""

    type: Literal["postgres"]
    host: str = "127.0.0.1"
    port: int = 5432
    database: str
    user: str
    password_env: str | None = None
    schema_name: str = Field("analytics", alias="schema")
    lock_timeout: Duration = timedelta(seconds=5)


Warehouse = Annotated[DuckDbWarehouse | PostgresWarehouse, Field(discriminator="type")]


class Environment(Model):
    """One environment: targets, values, and the environment that a release must have passed before (``after``)."""

    airflow: AirflowTarget | None = None
    spark: SparkTarget | None = None
    dbt: DbtTarget | None = None
    warehouse: Warehouse | None = None
    values: dict[str, str | int | float | bool] = {}
    after: str | None = None
    retention: Duration = timedelta(days=7)


class ValueDeclaration(Model):
    """The type that every environment's value must have. A secret is a reference (``env:NAME``), never a value."""

    type: Literal["string", "integer", "number", "boolean", "secret"]
    min: float | None = None
    max: float | None = None
    choices: tuple[str, ...] = ()
    default: str | int | float | bool | None = None


class RowCountGate(Model):
    """Shares of the live row count: 0.02 allows two per cent fewer."""

    max_drop: Share = 0.02
    max_growth: Share = 0.5


class NullRateGate(Model):
    """By how much (0.01 is one percentage point) a column's share of nulls may rise."""

    max_increase: Share = 0.01


class FreshnessGate(Model):
    """The newest value of ``column`` may be at most ``max_age`` old."""

    column: str
    max_age: Duration


class CompareGate(Model):
    """Keyed comparison of candidate with live, as shares of the live rows."""

    max_added: Share | None = None
    max_removed: Share = 0.01
    max_changed: Share = 0.05


class GatePolicy(Model):
    """The gates of one resource. ``null`` switches one off; what is left out comes from ``defaults``."""

    key: tuple[str, ...] = ()
    row_count: RowCountGate | None = RowCountGate()
    null_rate: NullRateGate | None = NullRateGate()
    unique: bool = True
    freshness: FreshnessGate | None = None
    compare: CompareGate | None = CompareGate()


class PytestSuite(Model):
    """Test files, or folders of them, that a runtime's pytest runs; ``timeout`` is what one file may take."""

    runtime: str
    paths: tuple[ProjectPath, ...] = Field(min_length=1)
    timeout: Duration = timedelta(minutes=5)


class Quarantine(Model):
    """A test that may fail until a day (the last one), by the name that the check gives it."""

    test: str
    owner: str | None = None
    reason: str | None = None
    until: date | None = None


class OwnTests(Model):
    """The project's own tests. A quarantine that lacks its owner, reason or day is a finding, not a mistake here."""

    pytest: tuple[PytestSuite, ...] = ()
    dbt: bool = False
    quarantine: tuple[Quarantine, ...] = ()


class ProjectConfig(Model):
    """The whole of interlock.yaml."""

    version: Literal[1]
    project: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")
    airflow: AirflowSection | None = None
    dbt: DbtSection | None = None
    spark: SparkSection | None = None
    terraform: TerraformSection = TerraformSection()
    schemas: SchemasSection | None = None
    tests: OwnTests | None = None
    runtimes: dict[str, RuntimeConfig] = {}
    ledger: str = "sqlite:///.interlock/ledger.db"
    artifacts: str = ".interlock/artifacts"
    environments: dict[str, Environment] = {}
    values: dict[str, ValueDeclaration] = {}
    gates: dict[str, GatePolicy] = {}

    @property
    def dialect(self) -> str:
        """The SQL dialect of the warehouses, as sqlglot names it; "" when none is declared."""
        return next((e.warehouse.type for e in self.environments.values() if e.warehouse is not None), "")

    @property
    def default_schema(self) -> str:
        """The schema that an unqualified table name means."""
        named = (e.warehouse.schema_name for e in self.environments.values() if e.warehouse is not None)
        return next(named, "analytics")

    def gates_for(self, key: str) -> GatePolicy:
        """The policy of one resource: its own entries over ``defaults``."""
        base = self.gates.get("defaults", GatePolicy())
        own = self.gates.get(key)
        if own is None:
            return base
        return base.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
