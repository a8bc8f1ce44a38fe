"""An Airflow that remembers nothing: a throw-away home and database, no examples, quiet logs."""

import os


def forget_everything(home, dags_folder=None):
    """Sets what Airflow reads while it is imported; what is set already stays."""
    os.environ.setdefault("AIRFLOW_HOME", home)
    for name, value in {
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__DAGS_FOLDER": dags_folder or os.path.join(home, "dags"),
        "CORE__PLUGINS_FOLDER": os.path.join(home, "plugins"),
        "CORE__EXECUTOR": "SequentialExecutor",
        "DATABASE__SQL_ALCHEMY_CONN": database(home),
        "LOGGING__BASE_LOG_FOLDER": os.path.join(home, "logs"),
        "LOGGING__LOGGING_LEVEL": "ERROR",
    }.items():
        os.environ.setdefault("AIRFLOW__" + name, value)


def database(home):
    """Where the throw-away database lies, as SQLAlchemy names it."""
    return "sqlite:///" + os.path.join(home, "airflow.db")


def make_tables():
    """Empty tables of variables and connections, so that reading one gives its default instead of a lost database."""
    from airflow import settings
    from airflow.models import Connection, Variable

    for model in (Variable, Connection):
        model.__table__.create(settings.engine, checkfirst=True)
    settings.engine.dispose()
