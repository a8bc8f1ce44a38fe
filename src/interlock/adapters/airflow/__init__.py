"""DAG folders: versioned trees, one atomic switch, and proof from a running Airflow's REST API."""

from interlock.adapters.airflow.adapter import AirflowAdapter

__all__ = ["AirflowAdapter"]
