"""A shop's dbt project on a real DuckDB file with a real dbt: deployed, turned round, rolled back, killed."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from interlock.config.models import Environment
from tests.integration.dbt_scenarios import DbtScenarios
from tests.integration.dbt_world import Deployed, World, first_deployment

pytestmark = pytest.mark.engine

ENVIRONMENT = Environment.model_validate(
    {"warehouse": {"type": "duckdb", "path": "house.duckdb"}, "dbt": {"root": "env/dbt", "target": "dev"}}
)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, runtime_python: Callable[[str], Path]) -> tuple[World, Deployed]:
    root = tmp_path_factory.mktemp("first") / "shop"
    root.mkdir()
    duckdb.connect(str(root / "house.duckdb")).close()
    return first_deployment(World(root, ENVIRONMENT, runtime_python("dbt")))


@pytest.fixture
def world(first: tuple[World, Deployed], tmp_path: Path) -> World:
    return first[0].copy(tmp_path / "shop", ENVIRONMENT)


class TestOnDuckDb(DbtScenarios):
    """The scenarios of ``DbtScenarios``."""
