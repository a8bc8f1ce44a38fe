"""What Airflow's own classes take: arguments, templated fields, names in templates. All versions from 1.10 to 3.

Read from `airflow.models.dag`, `airflow.models.baseoperator`, `airflow.sdk.definitions.dag` and the operators' modules.
"""

_words = str.split

DAG_ARGUMENTS = frozenset(
    _words("""
    dag_id description schedule schedule_interval timetable start_date end_date full_filepath template_searchpath
    template_undefined user_defined_macros user_defined_filters default_args concurrency max_active_tasks
    max_active_runs max_consecutive_failed_dag_runs dagrun_timeout sla_miss_callback default_view orientation catchup
    on_success_callback on_failure_callback doc_md params access_control is_paused_upon_creation
    jinja_environment_kwargs render_template_as_native_obj tags owner_links auto_register fail_stop fail_fast
    dag_display_name deadline task_group disable_bundle_versioning allowed_run_types rerun_with_latest_version
    """)
)

# `airflow.sdk.DAG` refuses them; `airflow.models.DAG` of Airflow 2 takes them.
GONE_IN_SDK = {
    "schedule_interval": "schedule",
    "timetable": "schedule",
    "concurrency": "max_active_tasks",
    "fail_stop": "fail_fast",
    "default_view": "",
    "orientation": "",
    "full_filepath": "",
}

TASK_ARGUMENTS = frozenset(
    _words("""
    task_id owner email email_on_retry email_on_failure retries retry_delay retry_exponential_backoff max_retry_delay
    start_date end_date depends_on_past ignore_first_depends_on_past wait_for_past_depends_before_skipping
    wait_for_downstream dag params default_args priority_weight weight_rule queue pool pool_slots sla execution_timeout
    on_execute_callback on_failure_callback on_success_callback on_retry_callback on_skipped_callback pre_execute
    post_execute trigger_rule resources run_as_user task_concurrency map_index_template max_active_tis_per_dag
    max_active_tis_per_dagrun executor executor_config do_xcom_push multiple_outputs inlets outlets task_group doc
    doc_md doc_json doc_yaml doc_rst task_display_name logger_name allow_nested_operators adhoc retry_policy
    start_trigger_args start_from_trigger render_template_as_native_obj subdag schedule_interval
    """)
)

# What only a task takes, and no DAG has under this name in any version.
ONLY_TASKS = TASK_ARGUMENTS - DAG_ARGUMENTS - {"dag", "subdag"}

# What a dict of default arguments never passes on to the DAG, and no operator of Airflow's own core takes.
ONLY_DAGS = frozenset(
    _words("""
    schedule schedule_interval timetable catchup max_active_runs max_active_tasks concurrency dagrun_timeout tags
    template_searchpath user_defined_macros user_defined_filters is_paused_upon_creation default_view orientation
    sla_miss_callback render_template_as_native_obj jinja_environment_kwargs access_control owner_links
    """)
)

_SENSOR = _words("""poke_interval timeout soft_fail mode exponential_backoff max_wait silent_fail never_fail""")
_PYTHON = _words("""python_callable op_args op_kwargs templates_dict templates_exts show_return_value_in_logs
    provide_context""")

# By class name: the arguments of its own that any version takes.
OPERATOR_ARGUMENTS = {
    name: frozenset(arguments)
    for name, arguments in {
        "BashOperator": _words("""bash_command env append_env output_encoding skip_exit_code skip_on_exit_code cwd
            output_processor xcom_push"""),
        "PythonOperator": _PYTHON,
        "BranchPythonOperator": _PYTHON,
        "ShortCircuitOperator": [*_PYTHON, "ignore_downstream_trigger_rules"],
        "EmptyOperator": [],
        "DummyOperator": [],
        "ExternalTaskSensor": [
            *_SENSOR, *_words("""external_dag_id external_task_id external_task_ids external_task_group_id
            allowed_states skipped_states failed_states execution_delta execution_date_fn check_existence poll_interval
            deferrable""")],
        "ExternalTaskMarker": _words("external_dag_id external_task_id execution_date logical_date recursion_depth"),
        "TriggerDagRunOperator": _words("""trigger_dag_id trigger_run_id conf logical_date reset_dag_run
            wait_for_completion poke_interval allowed_states failed_states skip_when_already_exists deferrable
            execution_date python_callable run_after fail_when_dag_is_paused openlineage_inject_parent_info note"""),
        "LatestOnlyOperator": [],
        "TimeDeltaSensor": [*_SENSOR, "delta", "deferrable"],
        "PythonSensor": [*_SENSOR, *_words("python_callable op_args op_kwargs templates_dict")],
    }.items()
}  # fmt: skip

# By class name: the arguments without which no version makes one.
REQUIRED_ARGUMENTS = {
    "BashOperator": ("bash_command",),
    "PythonOperator": ("python_callable",),
    "BranchPythonOperator": ("python_callable",),
    "ShortCircuitOperator": ("python_callable",),
    "EmailOperator": ("to", "subject", "html_content"),
    "ExternalTaskSensor": ("external_dag_id",),
    "TriggerDagRunOperator": ("trigger_dag_id",),
    "PythonSensor": ("python_callable",),
}

# Methods of tasks and of their instances that are called by people, and how they are told apart from others.
TASK_METHODS = frozenset(_words("set_upstream set_downstream xcom_pull xcom_push"))

# By class name: the arguments that it renders in every version, itself and what is in them.
TEMPLATED = {
    "BashOperator": frozenset({"bash_command", "env"}),
    "PythonOperator": frozenset({"templates_dict", "op_args", "op_kwargs"}),
    "BranchPythonOperator": frozenset({"templates_dict", "op_args", "op_kwargs"}),
    "ShortCircuitOperator": frozenset({"templates_dict", "op_args", "op_kwargs"}),
    "EmailOperator": frozenset({"to", "subject", "html_content"}),
    "TriggerDagRunOperator": frozenset({"trigger_dag_id", "conf"}),
    "ExternalTaskSensor": frozenset({"external_dag_id", "external_task_id"}),
}

# Further arguments that Airflow's providers render under these names.
TEMPLATED_ELSEWHERE = frozenset({"sql", "hql", "bash_command"})

# Where the modules of operators and sensors begin; a project's own package may be called airflow too.
OPERATOR_MODULES = (
    "airflow.operators.", "airflow.sensors.", "airflow.providers.", "airflow.contrib.", "airflow.sdk.",
)  # fmt: skip
CORE_MODULES = ("airflow.operators.", "airflow.sensors.", "airflow.providers.standard.")

DAG_CLASSES = frozenset({"airflow.DAG", "airflow.models.DAG", "airflow.models.dag.DAG", "airflow.sdk.DAG"})
DAG_DECORATORS = frozenset({"airflow.decorators.dag", "airflow.sdk.dag", "airflow.models.dag.dag"})
TASK_DECORATORS = ("airflow.decorators.task", "airflow.sdk.task")
GROUP_DECORATORS = frozenset({"airflow.decorators.task_group", "airflow.sdk.task_group"})
GROUP_CLASSES = frozenset({"airflow.utils.task_group.TaskGroup", "airflow.sdk.TaskGroup"})

# `airflow.utils.context.KNOWN_CONTEXT_KEYS` of 2.11, `airflow.sdk.definitions.context.Context`, and those of 1.10.
TEMPLATE_VARIABLES = frozenset(
    _words("""
    conf conn dag dag_run data_interval_end data_interval_start ds ds_nodash execution_date expanded_ti_count exception
    inlets inlet_events logical_date macros map_index_template next_ds next_ds_nodash next_execution_date outlets
    outlet_events params prev_data_interval_start_success prev_data_interval_end_success prev_ds prev_ds_nodash
    prev_execution_date prev_execution_date_success prev_start_date_success prev_end_date_success reason run_id
    start_date end_date latest_date tables END_DATE task task_instance task_instance_key_str task_reschedule_count
    test_mode templates_dict ti tomorrow_ds tomorrow_ds_nodash triggering_dataset_events triggering_asset_events ts
    ts_nodash ts_nodash_with_tz try_number var yesterday_ds yesterday_ds_nodash
    """)
)
TEMPLATE_GLOBALS = frozenset(_words("range dict lipsum cycler joiner namespace"))
TEMPLATE_MACROS = frozenset(
    _words("ds_add ds_format ds_format_locale datetime_diff_for_humans datetime timedelta dateutil time uuid random "
           "json yaml hive")
)  # fmt: skip
TEMPLATE_FILTERS = frozenset(_words("ds ds_nodash ts ts_nodash ts_nodash_with_tz"))

# Names that stand for nothing else between braces.
UNMISTAKABLE = (
    "ds_nodash", "ds", "ts_nodash_with_tz", "ts_nodash", "ts", "execution_date", "logical_date", "data_interval_start",
    "data_interval_end", "next_ds_nodash", "next_ds", "prev_ds_nodash", "prev_ds", "tomorrow_ds_nodash", "tomorrow_ds",
    "yesterday_ds_nodash", "yesterday_ds", "next_execution_date", "prev_execution_date", "run_id", "task_instance",
    "ti", "dag_run", "macros", "params", "var",
)  # fmt: skip
