"""A shop's dbt project on a real PostgreSQL with a real dbt: deployed, turned round, rolled back, killed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from interlock.config.models import Environment
from tests.integration.dbt_scenarios import DbtScenarios
from tests.integration.dbt_world import Deployed, World, first_deployment
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.engine


def environment(server: PostgresServer, database: str) -> Environment:
    warehouse = {
        "type": "postgres", "host": server.host, "port": server.port, "database": database, "user": server.user,
        "password_env": "SHOP_PASSWORD", "lock_timeout": "1s",
    }  # fmt: skip
    return Environment.model_validate({"warehouse": warehouse, "dbt": {"root": "env/dbt", "target": "dev"}})


@pytest.fixture(scope="module", autouse=True)
def password(postgres: PostgresServer) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_PASSWORD", postgres.password)
        yield postgres.password


@pytest.fixture(scope="module")
def first(
    tmp_path_factory: pytest.TempPathFactory, runtime_python: Callable[[str], Path], postgres: PostgresServer
) -> Iterator[tuple[World, Deployed]]:
    root, name = tmp_path_factory.mktemp("first") / "shop", f"first_{uuid4().hex[:8]}"
    root.mkdir()
    postgres.create_database(name)
    yield first_deployment(World(root, environment(postgres, name), runtime_python("dbt")))
    postgres.drop_database(name)


@pytest.fixture
def world(first: tuple[World, Deployed], tmp_path: Path, postgres: PostgresServer) -> Iterator[World]:
    original = first[0].environment.warehouse
    name = f"copy_{uuid4().hex[:8]}"
    postgres.create_database(name, template=getattr(original, "database", ""))
    yield first[0].copy(tmp_path / "shop", environment(postgres, name))
    postgres.drop_database(name)


class TestOnPostgres(DbtScenarios):
    """The scenarios of ``DbtScenarios``."""

    def test_no_receipt_holds_the_password(self, first: tuple[World, Deployed], password: str) -> None:
        assert all(password not in repr(receipt) for receipt in first[1].receipts.values())
