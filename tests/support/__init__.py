"""Real services that tests start: PostgreSQL, Airflow, an S3 server."""
