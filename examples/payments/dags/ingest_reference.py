"""Merchants and customers, each night."""

from airflow.decorators import dag, task
from payments_common.landing import require_rows, take_over
from payments_common.settings import dag_defaults
from payments_common.tables import RAW_CUSTOMERS, RAW_MERCHANTS


@dag("ingest_reference", schedule="30 1 * * *", tags=["ingest"], **dag_defaults())
def ingest_reference():
    @task(outlets=[RAW_MERCHANTS])
    def merchants() -> int:
        take_over("merchants")
        return require_rows("merchants")

    @task(outlets=[RAW_CUSTOMERS])
    def customers() -> int:
        take_over("customers")
        return require_rows("customers")

    merchants() >> customers()


ingest_reference()
