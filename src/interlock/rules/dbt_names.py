"""Names that dbt and its adapters bring: for what a project may use without defining it.

The macros are those of dbt-core 1.11 and of the adapters in github.com/dbt-labs/dbt-adapters and dbt-duckdb; those of
one adapter alone (``snowflake__...``) are known by their prefix.
"""

# What every file may name: dbt's context, jinja2's globals.
CONTEXT = frozenset(
    {"adapter", "adapter_macro", "any_value", "api", "array_append", "array_concat", "array_construct", "bool_or",
     "builtins", "caller", "clustered_cols", "column", "compiled_code", "config", "context", "context_macro_stack",
     "create_pluggable_view", "cycler", "database", "databricks_compute", "dbt_metadata_envs", "dbt_version",
     "defer_relation", "dict", "diff_of_two_dicts", "doc", "end_relation", "env", "env_var", "event_time",
     "exceptions", "execute", "fetch_tag", "flags", "fromjson", "fromyaml", "function", "get_columns_comments_sql",
     "get_table_tags", "graph", "invocation_args_dict", "invocation_id", "joiner", "kwargs", "lipsum",
     "liquid_clustered_cols", "load_agate_table", "load_result", "local_md5", "log", "loop", "metric", "model",
     "modules", "namespace", "noop", "optimize", "pg_catalog", "post_hooks", "pre_hooks", "print", "project_name",
     "range", "ref", "render", "return", "run_started_at", "schema", "selected_resources", "self", "set",
     "set_strict", "source", "source_node", "sql", "sql_now", "start_relation", "store_raw_result", "store_result",
     "submit_python_job", "super", "synonym_for_relation", "target", "this", "thread_id", "tojson", "toyaml",
     "try_or_compiler_error", "type_tinyint", "type_varchar", "validation", "var", "varargs", "write", "zip",
     "zip_strict"}
)  # fmt: skip

MACROS = frozenset(
    {"_split_part_negative", "_update_predicates", "after_commit", "alter_column_comment",
     "alter_column_set_constraints", "alter_column_type", "alter_relation_add_columns",
     "alter_relation_add_remove_columns", "alter_relation_comment", "alter_relation_drop_columns",
     "alter_relation_rename_column", "alter_relation_replace_columns", "alter_table_add_constraints", "any_value",
     "apply_grants", "array_append", "array_concat", "array_construct", "assert_columns_equivalent",
     "assert_not_null", "batch_iceberg_merge", "batch_incremental_insert", "before_begin", "bigframes_write_table",
     "bigquery_options", "bigquery_table_options", "bigquery_view_options", "bool_or", "bq_copy_partitions",
     "bq_create_table_as", "bq_dynamic_copy_partitions_insert_overwrite_sql", "bq_dynamic_insert_overwrite_sql",
     "bq_generate_incremental_build_sql", "bq_generate_incremental_insert_overwrite_build_sql",
     "bq_generate_incremental_merge_build_sql", "bq_generate_microbatch_build_sql",
     "bq_insert_into_ingestion_time_partitioned_table_sql", "bq_insert_overwrite_sql",
     "bq_static_copy_partitions_insert_overwrite_sql", "bq_static_insert_overwrite_sql",
     "bq_static_select_insert_overwrite_sql", "bq_validate_microbatch_config", "build_config_dict",
     "build_ref_function", "build_snapshot_staging_table", "build_snapshot_table", "build_source_function",
     "call_dcl_statements", "can_clone_table", "cast", "cast_bool_to_text", "cast_from_string_unsupported_for",
     "cast_timestamp", "check_for_schema_changes", "check_schema_exists", "check_time_data_types", "cluster_by",
     "clustered_cols", "collect_freshness", "collect_freshness_custom_sql", "columns_without_partition_fields_csv",
     "comment_clause", "concat", "convert_datetime", "copy_grants", "create_columns", "create_csv_table",
     "create_csv_table_insert", "create_csv_table_upload", "create_indexes", "create_or_replace_clone",
     "create_or_replace_view", "create_schema", "create_table_as", "create_table_as_with_partitions",
     "create_temporary_view", "create_view_as", "current_timestamp", "current_timestamp_backcompat",
     "current_timestamp_in_utc_backcompat", "date", "date_sharded_table", "date_spine", "date_trunc", "dateadd",
     "datediff", "dates_in_range", "dbt_bigquery_validate_get_incremental_strategy",
     "dbt_snowflake_get_tmp_relation_type", "dbt_spark_get_incremental_sql", "dbt_spark_validate_get_file_format",
     "dbt_spark_validate_get_incremental_strategy", "ddl_data_type", "declare_dbt_max_partition",
     "default_last_day", "delete_overlapping_partitions", "describe_table_extended_without_caching",
     "diff_column_data_types", "diff_columns", "dist", "dml_data_type", "drop_foreign_key_dependents",
     "drop_glue_database", "drop_indexes_on_relation", "drop_materialized_view", "drop_relation",
     "drop_relation_for_rebuild", "drop_relation_glue", "drop_relation_if_exists", "drop_relation_s3_tables",
     "drop_relation_sql", "drop_schema", "drop_schema_named", "drop_table", "drop_view", "duckdb_escape_comment",
     "dynamic_table_execute_build_sql", "dynamic_table_execute_no_op", "dynamic_table_get_build_sql",
     "end_of_time", "enforced_constraint_types", "equals", "escape_comment", "escape_single_quotes", "except",
     "existing_constraint_types", "external_location", "fetch_tbl_properties", "file_format_clause", "flight_name",
     "format_columns", "format_row", "formatted_scalar_function_args_javascript",
     "formatted_scalar_function_args_sql", "function_execute_build_sql", "generate_alias_name",
     "generate_database_name", "generate_latest_version_pointer_alias", "generate_schema_name",
     "generate_schema_name_for_env", "generate_series", "get_aggregate_function_create_replace_signature",
     "get_aggregate_function_volatility_specifier", "get_alter_materialized_view_as_sql",
     "get_assert_columns_equivalent", "get_batch_size", "get_binding_char", "get_catalog",
     "get_catalog_for_single_relation", "get_catalog_relations", "get_column_comment_sql", "get_column_names",
     "get_column_schema_from_query", "get_columns_for_unit_tests", "get_columns_in_query",
     "get_columns_in_relation", "get_columns_in_relation_raw", "get_columns_with_types_in_query_sql",
     "get_create_backup_sql", "get_create_index_sql", "get_create_intermediate_sql",
     "get_create_materialized_view_as_sql", "get_create_sql", "get_create_table_as_sql", "get_create_view_as_sql",
     "get_csv_sql", "get_current_query_tag", "get_dbt_valid_to_current", "get_dcl_statement_list",
     "get_delete_insert_merge_sql", "get_drop_backup_sql", "get_drop_index_sql", "get_drop_sql",
     "get_empty_schema_sql", "get_empty_subquery_sql", "get_expected_sql", "get_fixture_sql",
     "get_formatted_aggregate_function_args", "get_function_language_specifier", "get_function_python_options",
     "get_grant_sql", "get_incremental_append_sql", "get_incremental_default_sql",
     "get_incremental_delete_insert_sql", "get_incremental_insert_overwrite_sql", "get_incremental_merge_sql",
     "get_incremental_microbatch_sql", "get_insert_into_sql", "get_insert_overwrite_merge_sql",
     "get_insert_overwrite_sql", "get_intervals_between", "get_limit_subquery_sql", "get_list_of_column_names",
     "get_materialized_view_configuration_changes", "get_merge_sql", "get_merge_unique_key_match",
     "get_merge_update_columns", "get_or_create_relation", "get_partition_batches", "get_partition_by_keys",
     "get_partitions_metadata", "get_persist_docs_column_list", "get_powers_of_two", "get_quoted_csv",
     "get_quoted_with_types_csv", "get_relation_last_modified", "get_relations", "get_rename_intermediate_sql",
     "get_rename_materialized_view_sql", "get_rename_sql", "get_rename_table_sql", "get_rename_view_sql",
     "get_replace_materialized_view_sql", "get_replace_sql", "get_replace_table_sql", "get_replace_view_sql",
     "get_revoke_sql", "get_seed_column_quoted_csv", "get_select_subquery", "get_show_grant_sql",
     "get_show_indexes_sql", "get_show_sql", "get_snapshot_get_time_data_type", "get_snapshot_table_column_names",
     "get_table_columns_and_constraints", "get_test_sql", "get_true_sql", "get_unit_test_sql",
     "get_update_statement", "get_updated_at_column_data_type", "get_where_subquery", "grant_access_to",
     "handle_existing_table", "has_foreign_key_constraints", "hash", "hive_create_new_snapshot_table",
     "hive_snapshot_merge_sql", "iceberg_merge", "iceberg_snapshot_merge_sql", "in_transaction",
     "incremental_insert", "incremental_validate_on_schema_change", "information_schema_name", "intersect",
     "is_core_v2", "is_incremental", "last_day", "length", "list_function_relations_without_caching",
     "list_relations_show_tables_without_caching", "list_relations_without_caching", "list_schemas", "listagg",
     "load_cached_relation", "load_csv_rows", "load_relation", "location_clause", "location_exists",
     "make_backup_relation", "make_hook_config", "make_intermediate_relation", "make_temp_relation",
     "materialized_view_execute_build_sql", "materialized_view_execute_no_op", "materialized_view_get_build_sql",
     "materialized_view_setup", "materialized_view_teardown", "may_be_foreign_key_target", "merge_clause_defaults",
     "noop_statement", "normalize_incremental_predicates", "normalize_string_or_list", "optional",
     "options_clause", "partition_by", "partition_cols", "partition_range", "persist_constraints", "persist_docs",
     "position", "post_snapshot", "postgres_escape_comment", "postgres_get_relations",
     "predicate_for_avoid_require_partition_filter", "process_bucket_column", "process_schema_changes",
     "py_current_timestring", "py_script_comment", "py_script_postfix", "py_write_table",
     "refresh_materialized_view", "register_upstream_external_models", "remove_partitions_from_columns",
     "rename_relation", "render_write_options", "replace", "reset_csv_table", "resolve_incremental_tmp_relation",
     "resolve_model_name", "resolve_table_type", "restore_foreign_key_dependents", "right", "run_hooks",
     "run_query", "safe_cast", "safe_create_table_as", "scalar_function_body_sql",
     "scalar_function_create_replace_signature_sql", "scalar_function_sql",
     "scalar_function_volatility_javascript", "scalar_function_volatility_sql", "set_query_tag", "set_sql_header",
     "set_table_classification", "should_full_refresh", "should_revoke", "should_store_failures",
     "snapshot_check_all_get_existing_columns", "snapshot_check_strategy", "snapshot_get_time",
     "snapshot_hash_arguments", "snapshot_merge_sql", "snapshot_staging_table", "snapshot_string_as_time",
     "snapshot_timestamp_strategy", "snowflake_dml_explicit_transaction", "sort", "source_sql_with_partition",
     "spark_build_snapshot_staging_table", "split_part", "sql_convert_columns_in_relation", "statement",
     "store_relation", "strategy_dispatch", "string_literal", "support_multiple_grantees_per_dcl_statement",
     "sync_column_schemas", "table_columns_and_constraints", "tblproperties_clause", "truncate_relation",
     "try_cast_timestamp", "type_bigint", "type_boolean", "type_float", "type_int", "type_numeric", "type_string",
     "type_timestamp", "unique_key_fields", "unique_key_is_not_null", "unique_key_is_null", "unique_key_join_on",
     "unset_query_tag", "unsupported_volatility_warning", "validate_dict_field", "validate_doc_columns",
     "validate_ducklake_restrictions", "validate_fixture_rows", "validate_get_incremental_strategy",
     "validate_merge_clause_list", "validate_merge_clauses", "validate_merge_config", "validate_sql",
     "validate_string_field", "validate_string_list_field", "wrap_with_time_ingestion_partitioning_sql",
     "write_to_file"}
)  # fmt: skip

GENERIC_TESTS = frozenset({"unique", "not_null", "accepted_values", "relationships"})

ADAPTERS = (
    "default", "athena", "bigquery", "clickhouse", "databricks", "dremio", "duckdb", "exasol", "fabric", "fabricspark",
    "firebolt", "glue", "greenplum", "hive", "impala", "materialize", "mysql", "oracle", "postgres", "redshift",
    "risingwave", "singlestore", "snowflake", "spark", "sqlite", "sqlserver", "starrocks", "synapse", "teradata",
    "trino", "vertica",
)  # fmt: skip

# Whose macros an adapter takes, in this order, before those of "default".
ADAPTER_PREFIXES: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in ADAPTERS},
    "databricks": ("databricks", "spark"),
    "redshift": ("redshift", "postgres"),
    "tsql": ("sqlserver", "fabric"),
}

# The names of types by adapter; "" is what most of them say.
TYPES: dict[str, dict[str, str]] = {
    "type_string": {"": "varchar", "bigquery": "string", "databricks": "string", "spark": "string", "postgres": "text"},
    "type_timestamp": {"": "timestamp", "snowflake": "timestamp_ntz"},
    "type_int": {"": "int", "bigquery": "int64"},
    "type_bigint": {"": "bigint", "bigquery": "int64"},
    "type_float": {"": "float", "bigquery": "float64"},
    "type_numeric": {"": "numeric", "databricks": "decimal(28, 6)", "spark": "decimal(28, 6)"},
    "type_boolean": {"": "boolean", "bigquery": "bool"},
    "current_timestamp": {"": "current_timestamp", "bigquery": "current_timestamp()"},
    "except": {"": "except", "bigquery": "except distinct"},
    "intersect": {"": "intersect", "bigquery": "intersect distinct"},
}

# Packages that bring macros and tests, and no models or sources that a project could name.
MACRO_PACKAGES = frozenset(
    {"dbt_utils", "dbt-utils", "dbt_expectations", "dbt-expectations", "codegen", "dbt-codegen", "audit_helper",
     "dbt-audit-helper", "dbt_date", "dbt-date", "dbt_external_tables", "dbt-external-tables", "spark_utils",
     "dbt_profiler", "insert_by_period", "dbt_unit_testing", "dbt_datamocktool", "tsql_utils", "dbt_privacy",
     "dbt_constraints", "dbt_resource_monitoring", "automate_dv", "dbtvault", "fivetran_utils", "dbt_feature_flags"}
)  # fmt: skip

# incremental_strategy by dialect, as sqlglot names it.
STRATEGIES: dict[str, frozenset[str]] = {
    "postgres": frozenset({"append", "delete+insert", "merge", "microbatch"}),
    "redshift": frozenset({"append", "delete+insert", "merge", "microbatch"}),
    "bigquery": frozenset({"merge", "insert_overwrite", "microbatch"}),
    "snowflake": frozenset({"append", "delete+insert", "merge", "microbatch", "insert_overwrite"}),
    "databricks": frozenset({"append", "merge", "insert_overwrite", "replace_where", "microbatch", "delete+insert"}),
    "spark": frozenset({"append", "merge", "insert_overwrite", "microbatch"}),
    "duckdb": frozenset({"append", "delete+insert", "merge", "microbatch"}),
}
ON_SCHEMA_CHANGE = ("ignore", "fail", "append_new_columns", "sync_all_columns")


def is_known(name: str) -> bool:
    """Whether dbt, jinja2 or an adapter defines this name."""
    return name in CONTEXT or name in MACROS or name.partition("__")[0] in ADAPTERS
