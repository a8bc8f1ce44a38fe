"""One DAG for each partner in `config/partners.yaml`."""

from airflow.models.dag import DAG  # noqa: F401  (the folder scan reads only files that name a DAG)
from payments_common.partner_feeds import partner_dag, partners

for partner in partners():
    globals()[f"partner_feed_{partner['name']}"] = partner_dag(partner)
