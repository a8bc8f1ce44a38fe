"""Names that the rules about Python know: what is there without being defined, and what comes from elsewhere."""

import sys


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Put there by a notebook, a shell, a profiler or a documentation tool before the file is run.
GIVEN = _words("""
    spark sc sqlContext sqlCtx glueContext dbutils display displayHTML get_ipython get_config _ reveal_type __IPYTHON__
    __builtins__ __path__ WindowsError
""")
GIVEN_IN_NOTEBOOKS = _words("sql table udf getArgument In Out dlt")
PYTHON_2 = _words("unicode xrange basestring long raw_input reduce file cmp execfile reload unichr buffer")

# How what people forget to import is imported.
IMPORTS = {
    "DAG": "from airflow import DAG", "F": "from pyspark.sql import functions as F", "T": "from pyspark.sql import "
    "types as T", "datetime": "from datetime import datetime", "timedelta": "from datetime import timedelta",
    "np": "import numpy as np", "pd": "import pandas as pd", "Any": "from typing import Any",
    "Path": "from pathlib import Path", "dedent": "from textwrap import dedent",
    "SparkSession": "from pyspark.sql import SparkSession", "partial": "from functools import partial",
    **{name: f"from typing import {name}" for name in _words("Callable Dict Iterator List Optional Tuple Union cast")},
    **{name: f"import {name}" for name in _words("os sys re json time math logging pendulum boto3 requests yaml csv")},
}  # fmt: skip

# The modules and packages at the top of Airflow, of all versions from 1.8 to 3.
AIRFLOW = _words("""
    api api_connexion api_fastapi api_internal assets auth bin callbacks cli cluster_policies compat config_templates
    configuration contrib dag_processing datasets decorators default_login example_dags exceptions executors hooks io
    jobs kubernetes lineage listeners logging logging_config macros metrics migrations models mypy notifications
    observability operators plugins plugins_manager policies providers providers_manager reproducible_build sdk secrets
    security sensors sentry serialization settings smart_sensor_dags stats task templates ti_deps timetables traces
    triggers typing_compat ui utils version www www_rbac
""")

# A folder of such a name in a project does not say where an import comes from: hubspot.py in a DAG folder is the DAG,
# `from hubspot import Client` is the vendor's.
VENDORS = frozenset(sys.stdlib_module_names) | _words("""
    airbyte airbyte_api airflow alembic altair amplitude anthropic apache_beam asana astro astronomer atlassian attr
    attrs aws_cdk aws_lambda_powertools awswrangler azure bigquery boto boto3 botocore bs4 cassandra celery chispa
    click clickhouse_connect clickhouse_driver cloudpickle confluent_kafka connexion cosmos croniter cryptography
    cx_Oracle dagster dask databricks datadog datahub dateutil dbt debezium delta deltalake distributed django dlt
    docker dotenv duckdb elasticsearch elementary facebook_business faker fastapi fastavro feast fivetran flask
    flask_appbuilder flink fsspec gcsfs geopandas git github gitlab google googleapiclient graphene graphframes
    great_expectations grpc gspread hdfs hive hubspot hudi ibis iceberg influxdb intercom jinja2 jira jwt kafka keras
    klaviyo kubernetes kubernetes_asyncio ldap3 lightgbm looker looker_sdk mailchimp marketo marquez matplotlib
    metadata metaflow minio mlflow mock moto mysql MySQLdb neo4j netsuite networkx newrelic nltk notion numpy odps
    okta openai openlineage openpyxl opensearchpy opentelemetry oracledb oss2 pagerduty pandas pandera papermill
    paramiko pendulum petl pinotdb pip pkg_resources plotly polars prefect presto prestodb prometheus_client protobuf
    psutil psycopg psycopg2 pyarrow pydantic pydeequ pydruid pyflink pyhive pymongo pymssql pymysql pyodbc pysftp
    pyspark pytest quickbooks rasterio ray recurly redis redshift_connector requests rich ruamel s3fs sagemaker
    salesforce scipy scrapy sedona segment selenium sendgrid sentry_sdk setuptools sftp shapely shopify
    simple_salesforce singer six sklearn slack slack_sdk snowflake soda spacy spark sparkmagic splunklib sqlalchemy
    sqlfluff sqlglot sqlmesh square ssh statsd statsmodels streamlit stripe structlog superset tableau
    tableauserverclient tenacity tensorflow teradata teradatasql terraform thrift toml torch tqdm transformers trino
    twilio twitter typer unittest uvicorn vault vertica vertica_python xero xgboost yaml zeep zendesk zenpy
""")
