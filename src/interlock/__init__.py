"""Interlock: one plan, one release, one rollback for Airflow, dbt and Spark."""

__version__ = "0.1.0"
