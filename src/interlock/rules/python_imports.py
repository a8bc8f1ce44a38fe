"""What a Python file imports and what others can import from it, as facts: the module check reads no text."""

import ast
import re
import sys
from collections.abc import Iterator
from typing import Any

from interlock.rules.files import SourceFile
from interlock.rules.python_places import bound_names, is_main_guard

# Names of packages from elsewhere. A folder of that name in a project does not say where an import comes from: a file
# hubspot.py in a DAG folder is the DAG, `from hubspot import Client` is the vendor's.
VENDORS = frozenset(
    (
        "airbyte airbyte_api airflow alembic altair amplitude anthropic apache_beam asana astro astronomer atlassian "
        "attr attrs aws_cdk aws_lambda_powertools awswrangler azure bigquery boto boto3 botocore bs4 cassandra celery "
        "chispa click clickhouse_connect clickhouse_driver cloudpickle confluent_kafka connexion cosmos croniter "
        "cryptography cx_Oracle dagster dask databricks datadog datahub dateutil dbt debezium delta deltalake distributed "
        "django dlt docker dotenv duckdb elasticsearch elementary facebook_business faker fastapi fastavro feast fivetran "
        "flask flask_appbuilder flink fsspec gcsfs geopandas git github gitlab google googleapiclient graphene "
        "graphframes great_expectations grpc gspread hdfs hive hubspot hudi iceberg influxdb intercom ibis jinja2 jira jwt "
        "kafka keras klaviyo kubernetes kubernetes_asyncio ldap3 lightgbm looker looker_sdk mailchimp marketo "
        "marquez matplotlib metaflow minio mlflow mock moto mysql MySQLdb neo4j netsuite networkx newrelic nltk notion "
        "numpy odps okta openai openlineage openpyxl opensearchpy opentelemetry oracledb oss2 pagerduty pandas pandera "
        "papermill paramiko pendulum petl pinotdb pip pkg_resources plotly polars prefect presto prestodb prometheus_client "
        "protobuf psutil psycopg psycopg2 pyarrow pydantic pydeequ pydruid pyflink pyhive pymongo pymssql pymysql pyodbc "
        "pyspark pysftp pytest quickbooks rasterio ray recurly redis redshift_connector requests rich ruamel s3fs sagemaker "
        "salesforce scipy scrapy sedona segment selenium sendgrid sentry_sdk setuptools sftp shapely shopify "
        "simple_salesforce singer six sklearn slack slack_sdk snowflake soda spacy spark sparkmagic splunklib sqlalchemy "
        "sqlfluff sqlglot sqlmesh square ssh statsd statsmodels streamlit stripe structlog superset tableau "
        "tableauserverclient teradata teradatasql tensorflow tenacity terraform thrift toml torch tqdm transformers trino "
        "twilio twitter typer unittest uvicorn vault vertica vertica_python xgboost xero yaml zendesk zenpy zeep"
    ).split()
) | frozenset(sys.stdlib_module_names)

_OPEN = re.compile(
    r"\bglobals\s*\(|\bvars\(\)|\blocals\s*\(|\bexec\s*\(|sys\.modules|__path__|extend_path|declare_namespace|"
    r"lazy_loader|importlib\.import_module\(\s*__name__"
)
_HANDLED = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_ELSEWHERE = re.compile(r"virtualenv|external_python|docker|kubernetes|modal|remote", re.IGNORECASE)

SURE, UNSURE = 0, 1


def module_facts(file: SourceFile) -> dict[str, Any] | None:
    """``defines``: what can be imported; ``open``: whether there may be more; ``stars``: modules whose names are its own
    too; ``imports``: [level, module, names, line, last line, sure or not]; ``dag``: whether importing it makes a DAG.

    Guarded imports are left out (``try`` with ImportError, TYPE_CHECKING), and so are those of packages from elsewhere.
    None where there is no syntax tree.
    """
    tree = file.tree
    if tree is None:
        return None
    stars: list[list[Any]] = []
    defines: set[str] = set()
    for node in _executed(tree):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            stars.append([node.level, node.module or ""])
        else:
            defines.update(bound_names(node))
    for node in ast.walk(tree) if b"global" in file.source else ():
        if isinstance(node, ast.Global):
            defines.update(node.names)
    return {
        "defines": sorted(defines),
        "open": "__getattr__" in defines or _OPEN.search(file.text) is not None,
        "stars": stars,
        "imports": list(_imports(tree, UNSURE if "sys.path" in file.text else SURE)),
        "dag": b"airflow" in file.source and _makes_dag(tree),
    }


def _executed(tree: ast.Module) -> Iterator[ast.AST]:
    """What happens in the module's own scope when it is imported, functions and classes as such included."""
    stack: list[ast.AST] = list(reversed(tree.body))
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            stack += node.decorator_list
        elif not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            stack += ast.iter_child_nodes(node)


def _imports(tree: ast.Module, sure: int) -> Iterator[list[Any]]:
    stack: list[tuple[ast.AST, int]] = [(tree, sure)]
    while stack:
        node, unsure = stack.pop()
        if isinstance(node, ast.Import):
            for one in node.names:
                if one.name.partition(".")[0] not in VENDORS:
                    yield [0, one.name, [], node.lineno, node.end_lineno or node.lineno, unsure]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level or module.partition(".")[0] not in VENDORS:
                names = [one.name for one in node.names if one.name != "*"]
                yield [node.level, module, names, node.lineno, node.end_lineno or node.lineno, unsure]
        elif isinstance(node, ast.stmt | ast.Module | ast.ExceptHandler | ast.match_case):
            if isinstance(node, ast.If):
                if _names(node.test) & {"TYPE_CHECKING", "MYPY"}:
                    stack += [(child, unsure) for child in node.orelse]
                    continue
                unsure = UNSURE
            if _is_guard(node) or is_main_guard(node):
                unsure = UNSURE
            if _is_guard(node) or _is_elsewhere(node):
                continue
            stack += [(child, unsure) for child in ast.iter_child_nodes(node)]


def _names(node: ast.AST) -> set[str]:
    return {
        one.id if isinstance(one, ast.Name) else one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Name | ast.Attribute)
    }


def _is_guard(node: ast.AST) -> bool:
    """Whether an import may fail in it: ``try`` with a handler for it, ``suppress``, ``pytest.raises``."""
    if isinstance(node, ast.Try | ast.TryStar):
        return any(one.type is None or _names(one.type) & _HANDLED for one in node.handlers)
    if isinstance(node, ast.With | ast.AsyncWith):
        return any(_names(one.context_expr) & {"suppress", "raises", "warns"} for one in node.items)
    return False


def _is_elsewhere(node: ast.AST) -> bool:
    """Whether a function runs in an environment of its own, whose modules are not this project's."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
        _ELSEWHERE.search(name) for one in node.decorator_list for name in _names(one)
    )


def _makes_dag(tree: ast.Module) -> bool:
    made: set[str] = set()
    for node in _executed(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow"):
            made.update(one.asname or one.name for one in node.names if one.name in ("DAG", "dag"))
    for node in _executed(tree):
        if isinstance(node, ast.FunctionDef):
            if any(_names(one) & made for one in node.decorator_list):
                return True
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name in made or (name == "DAG" and isinstance(node.func, ast.Attribute)):
                return True
    return False
