"""Names of packages that data projects use, and misspellings, which are somebody else's package or nobody's."""

WELL_KNOWN = frozenset(
    {
        "apache-airflow", "apache-airflow-providers-amazon", "apache-airflow-providers-apache-spark",
        "apache-airflow-providers-celery", "apache-airflow-providers-cncf-kubernetes",
        "apache-airflow-providers-databricks", "apache-airflow-providers-dbt-cloud",
        "apache-airflow-providers-google", "apache-airflow-providers-http",
        "apache-airflow-providers-microsoft-azure", "apache-airflow-providers-mysql",
        "apache-airflow-providers-postgres", "apache-airflow-providers-slack", "apache-airflow-providers-snowflake",
        "astronomer-cosmos", "beautifulsoup4", "clickhouse-connect", "clickhouse-driver", "confluent-kafka",
        "croniter", "cryptography", "dagster", "databricks-sdk", "databricks-sql-connector", "dbt-bigquery",
        "dbt-core", "dbt-databricks", "dbt-duckdb", "dbt-postgres", "dbt-redshift", "dbt-snowflake", "dbt-spark",
        "dbt-trino", "delta-spark", "elementary-data", "fastapi", "fastavro", "google-cloud-bigquery",
        "google-cloud-bigquery-storage", "google-cloud-pubsub", "google-cloud-secret-manager",
        "google-cloud-storage", "great-expectations", "kafka-python", "kubernetes", "marshmallow", "openpyxl",
        "pandas", "pandas-gbq", "pendulum", "polars", "prefect", "protobuf", "psycopg2", "psycopg2-binary",
        "pyarrow", "pydantic", "pydantic-settings", "pyiceberg", "pymongo", "pymssql", "pymysql", "pyodbc",
        "pyspark", "pytest", "pytest-mock", "python-dateutil", "python-dotenv", "pyyaml", "redshift-connector",
        "requests", "scikit-learn", "sentry-sdk", "snowflake-connector-python", "snowflake-snowpark-python",
        "snowflake-sqlalchemy", "sqlalchemy", "sqlalchemy-bigquery", "sqlalchemy-utils", "sqlfluff",
        "sqlfluff-templater-dbt", "sqlglot", "sqlparse", "tenacity", "typing-extensions",
    }
)  # fmt: skip

# Real packages that lie one letter beside a well-known one.
_OTHERS = frozenset(
    {"panda", "polar", "psycopg", "psycopg3", "request", "pytest-mocks", "pytests", "kubernete", "tenacity2"}
)
_ALSO_REAL = _OTHERS - {"request", "panda"}
_SHORTEST = 6

# Distributions by a module of theirs: where the names differ, and a few that everybody has beside the well-known ones.
_DISTRIBUTIONS = {
    "Crypto": "pycryptodome", "MySQLdb": "mysqlclient", "OpenSSL": "pyOpenSSL", "PIL": "pillow",
    "airflow": "apache-airflow", "attr": "attrs", "boto3": "boto3", "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless", "dateutil": "python-dateutil", "delta": "delta-spark", "distutils": "setuptools",
    "docx": "python-docx", "dotenv": "python-dotenv", "git": "GitPython", "github": "PyGithub", "grpc": "grpcio",
    "jwt": "PyJWT", "kafka": "kafka-python", "nacl": "PyNaCl", "numpy": "numpy", "pkg_resources": "setuptools",
    "psycopg2": "psycopg2-binary", "pythonjsonlogger": "python-json-logger", "pytz": "pytz", "scipy": "scipy",
    "sedona": "apache-sedona", "skimage": "scikit-image", "sklearn": "scikit-learn", "websocket": "websocket-client",
    "yaml": "PyYAML", "zmq": "pyzmq",
}  # fmt: skip


def distribution_of(module: str) -> str:
    """The well-known distribution that has a module; "" where none is known to."""
    alike = module.lower().replace("_", "-")
    return _DISTRIBUTIONS.get(module, alike if alike in WELL_KNOWN else "")


def misspelt(name: str) -> str:
    """The well-known package of which a name is one letter away (changed, lost, gained or swapped); "" for others."""
    if len(name) < _SHORTEST or name in WELL_KNOWN or name in _ALSO_REAL:
        return ""
    for known in sorted(WELL_KNOWN):
        if abs(len(known) - len(name)) <= 1 and len(known) >= _SHORTEST and _one_away(name, known):
            return known
    return ""


def _one_away(name: str, known: str) -> bool:
    plain = str.maketrans("", "", "0123456789")
    if name.translate(plain) == known.translate(plain):
        return False
    start = 0
    while start < min(len(name), len(known)) and name[start] == known[start]:
        start += 1
    if len(name) == len(known):
        rest, meant = name[start:], known[start:]
        return rest[1:] == meant[1:] or (rest[2:] == meant[2:] and rest[:2] == meant[1::-1])
    longer, shorter = (name, known) if len(name) > len(known) else (known, name)
    return longer[start + 1 :] == shorter[start:]
