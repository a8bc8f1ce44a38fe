"""Which resources hold data, which arguments replace them, and which guard them: for Terraform's text and its plan.

Source: the providers' own documentation (registry.terraform.io/providers/hashicorp/aws and others), arguments marked
"Forces new resource". Only arguments are listed that replace a resource in every version of the last years.
"""

from collections.abc import Mapping
from types import MappingProxyType

_NO_POLICY: Mapping[str, int] = MappingProxyType({})

# By type: arguments whose change replaces the resource, and with it what it holds.
STATEFUL: dict[str, tuple[str, ...]] = {
    "aws_db_instance": ("engine", "db_name", "storage_encrypted", "kms_key_id"),
    "aws_docdb_cluster": ("cluster_identifier", "storage_encrypted"),
    "aws_dynamodb_table": ("name", "hash_key"),
    "aws_efs_file_system": ("creation_token", "encrypted"),
    "aws_elasticsearch_domain": ("domain_name",),
    "aws_glue_catalog_database": ("name", "catalog_id"),
    "aws_kinesis_stream": ("name",),
    "aws_msk_cluster": ("cluster_name",),
    "aws_neptune_cluster": ("cluster_identifier", "storage_encrypted"),
    "aws_opensearch_domain": ("domain_name",),
    "aws_rds_cluster": ("cluster_identifier", "engine", "database_name", "storage_encrypted", "kms_key_id"),
    "aws_redshift_cluster": ("cluster_identifier",),
    "aws_s3_bucket": ("bucket", "bucket_prefix"),
    "azurerm_cosmosdb_account": ("name", "resource_group_name"),
    "azurerm_mssql_database": ("name", "server_id"),
    "azurerm_postgresql_flexible_server": ("name", "resource_group_name", "location"),
    "azurerm_storage_account": ("name", "resource_group_name", "location"),
    "azurerm_storage_container": ("name", "storage_account_name"),
    "google_bigquery_dataset": ("dataset_id", "location", "project"),
    "google_bigquery_table": ("dataset_id", "table_id", "project"),
    "google_bigtable_instance": ("name",),
    "google_bigtable_table": ("name", "instance_name"),
    "google_spanner_database": ("name", "instance"),
    "google_spanner_instance": ("name",),
    "google_sql_database": ("name", "instance"),
    "google_sql_database_instance": ("name", "region"),
    "google_storage_bucket": ("name", "location"),
    "kafka_topic": ("name",),
    "confluent_kafka_topic": ("topic_name",),
    "snowflake_database": (),
    "snowflake_schema": (),
    "snowflake_table": (),
}

# Switches that protect what a resource holds, by the value that takes the protection away.
UNGUARDED: dict[str, tuple[bool, str]] = {
    "force_destroy": (True, "is destroyed together with everything in it"),
    "skip_final_snapshot": (True, "is destroyed without a last snapshot"),
    "deletion_protection": (False, "can be destroyed by any plan"),
    "deletion_protection_enabled": (False, "can be destroyed by any plan"),
    "delete_contents_on_destroy": (True, "is destroyed together with everything in it"),
}

# Switches of encryption at rest that a literal turns off.
UNENCRYPTED: dict[str, tuple[str, ...]] = {
    "aws_db_instance": ("storage_encrypted",),
    "aws_docdb_cluster": ("storage_encrypted",),
    "aws_ebs_volume": ("encrypted",),
    "aws_efs_file_system": ("encrypted",),
    "aws_elasticache_replication_group": ("at_rest_encryption_enabled",),
    "aws_neptune_cluster": ("storage_encrypted",),
    "aws_rds_cluster": ("storage_encrypted",),
    "aws_redshift_cluster": ("encrypted",),
}

# Of these an encryption that is not asked for is off, unless it comes with what the store is made from.
OFF_BY_DEFAULT = frozenset({"aws_db_instance", "aws_docdb_cluster", "aws_neptune_cluster"})
MADE_FROM = ("replicate_source_db", "snapshot_identifier", "restore_to_point_in_time", "replication_source_identifier")

# Retention by argument: the smallest number that is sane, and what is kept. 0 in a log group means for ever.
RETENTION: dict[tuple[str, str], tuple[int, str]] = {
    ("aws_db_instance", "backup_retention_period"): (1, "backups"),
    ("aws_rds_cluster", "backup_retention_period"): (2, "backups"),
    ("aws_docdb_cluster", "backup_retention_period"): (2, "backups"),
    ("aws_neptune_cluster", "backup_retention_period"): (2, "backups"),
    ("aws_redshift_cluster", "automated_snapshot_retention_period"): (1, "snapshots"),
    ("aws_cloudwatch_log_group", "retention_in_days"): (3, "logs"),
}


def too_short(kind: str, name: str, value: object, policy: Mapping[str, int] = _NO_POLICY) -> tuple[int, str] | None:
    """The least retention in days and what is kept, where ``value`` is less; None where it is enough, or for ever.

    ``policy``: what a project wants at least, by what is kept.
    """
    known = RETENTION.get((kind, name))
    if known is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    least = max(known[0], policy.get(known[1], 0))
    is_enough = value >= least or (kind == "aws_cloudwatch_log_group" and value == 0)
    return None if is_enough else (least, known[1])
