"""Names across tools: what certainly is not there is found; what may be elsewhere is left alone."""

import pytest

from interlock.model.findings import Finding
from interlock.rules.airflow_settings import declared
from interlock.rules.files import Layout, SourceFile
from interlock.rules.rule import matches
from interlock.rules.rule_across import FAMILY
from interlock.rules.rule_settings import FAMILY as SETTINGS
from interlock.rules.shell_commands import commands, script_of, selection_of
from tests.regressions.case import check_files

HEAD = "from datetime import datetime\n\nfrom airflow.models.dag import DAG\n\n\ndag = DAG('d', start_date=datetime(2025, 1, 1))\n"
PROJECT = {
    "dbt/dbt_project.yml": b"name: shop\nversion: '1.0'\nprofile: shop\n",
    "dbt/models/staging/stg_orders.sql": b"{{ config(tags=['nightly']) }} select 1 as order_id",
    "dbt/models/marts/fct_orders.sql": b"select 1 as order_id",
    "dbt/seeds/countries.csv": b"code\nDE\n",
}


def across(files: dict[str, bytes], base: dict[str, bytes] | None = None) -> list[Finding]:
    return [one for one in check_files(files, base) if one.rule.startswith(("ILK-AX", "ILK-CF1"))]


def dag(*calls: str) -> bytes:
    return (HEAD + "\n".join(calls) + "\n").encode()


def selecting(selection: str, **more: bytes) -> list[Finding]:
    return across({**PROJECT, **more, "dags/a.py": dag(f"BashOperator(bash_command={'dbt run ' + selection!r})")})


@pytest.mark.parametrize(
    "selection",
    [
        "", "-s stg_orders", "--select staging", "--select staging.stg_orders+", "-s shop.marts", "-s +fct_orders+2",
        "-s 3+fct_orders", "-s @stg_orders", "-s stg_*", "-s tag:nightly,stg_orders", "-s path:models/marts/fct_orders.sql",
        "-s models/staging", "-s fct_orders.sql", "-s countries", "-s state:modified+", "-s source:raw.orders+",
        "-s config.materialized:view", "-s $MODELS", "-s {{ params.model }}", "-s {model}", "-s stg_order%s", "-s `cat x`",
        "--selector nightly", "-s exposure:board", "-s package:other", "-s resource_type:test", "-s fct_orders.v2",
        "--exclude anything_else", "--vars '{x: stg_order}'", "-s path:../shared/x", "-s ${M:-x}", "-t stg_order",
    ],
)  # fmt: skip
def test_selection_that_selects_something_or_cannot_be_known_is_left_alone(selection: str) -> None:
    assert selecting(selection) == []


@pytest.mark.parametrize(
    ("selection", "severity"),
    [
        ("-s stg_order", "error"), ("--models=stg_ordrs", "error"), ("--select '+fct_order+'", "error"),
        ("-s tag:nightli", "error"), ("-s path:models/stagging", "error"), ("-s staging.stg_ordres", "error"),
        ("-s something_else_entirely", "warning"), ("--exclude stg_order", "warning"), ("-s stg_orders,tag:nightl", "error"),
        ("-s stg_order --project-dir dbt", "error"), ("-s stg_order --project-dir /opt/dbt", "error"),
        ("-s stg_order --project-dir /opt/finance", "warning"), ("-s stg_order --project-dir $HOME", "warning"),
    ],
)  # fmt: skip
def test_selection_of_nothing_weighs_what_is_known(selection: str, severity: str) -> None:
    [one] = selecting(selection)
    assert (one.rule, one.severity) == ("ILK-AX001", severity)


def test_names_of_packages_are_left_alone_but_slips_are_not() -> None:
    packages = {"dbt/packages.yml": b"packages: []\n"}
    assert selecting("-s elementary", **packages) == []
    assert [one.severity.value for one in selecting("-s stg_order", **packages)] == ["error"]


def test_computed_tags_and_generated_tests_silence() -> None:
    tags = {"dbt/models/x.sql": b"{{ config(tags=var('t')) }} select 1 as a"}
    assert selecting("-s tag:nightli", **tags) == []
    files = {**PROJECT, "dags/a.py": dag("BashOperator(bash_command='dbt test -s not_null_stg_order_id')")}
    assert across(files) == []


def test_container_commands_and_other_forms() -> None:
    pod = "KubernetesPodOperator(image='x', cmds=['dbt'], arguments=['run', '-s', 'stg_order'])"
    assert [one.severity.value for one in across({**PROJECT, "dags/a.py": dag(pod)})] == ["warning"]
    steps = "DbtCloudRunJobOperator(job_id=1, steps_override=['dbt build -s stg_order'])"
    assert len(across({**PROJECT, "dags/a.py": dag(steps)})) == 1
    operator = "DbtRunOperator(task_id='r', models='stg_order fct_orders')"
    assert len(across({**PROJECT, "dags/a.py": dag(operator)})) == 1
    named = "COMMAND = 'dbt run -s stg_order'\nBashOperator(bash_command=COMMAND)"
    assert len(across({**PROJECT, "dags/a.py": dag(named)})) == 1
    changed = (
        "COMMAND = 'dbt run -s stg_order'\nCOMMAND = COMMAND.replace('r', 's')\nBashOperator(bash_command=COMMAND)"
    )
    assert across({**PROJECT, "dags/a.py": dag(changed)}) == []
    joined = "BashOperator(bash_command=f'dbt run -s stg_{1}')"
    assert across({**PROJECT, "dags/a.py": dag(joined)}) == []


@pytest.mark.parametrize(
    ("command", "severity"),
    [
        ("spark-submit --conf a=b jobs/load_order.py --day 1", "error"), ("python3 -u jobs/load_order.py", "error"),
        ("cd jobs && python ./load_order.py", "error"), ("bash /opt/x/jobs/load_order.py", "warning"),
        ("spark-submit s3://bucket/load_order.py", "warning"), ("spark-submit jobs/load_orders.py", None),
        ("python jobs/other_thing.py", None), ("python load_order.py", None), ("python elsewhere/load_order.py", None),
        ("python -m jobs.load_order", None), ("python -c 'jobs/load_order.py'", None), ("cat jobs/load_order.py", None),
        ("python $JOBS/load_order.py", None), ("cd $X && python jobs/load_order.py", "warning"),
        ("python jobs/load_order.py {{ ds }}", None), ("# python jobs/load_order.py", None), ("echo 'python jobs/load_order.py'", None),
    ],
)  # fmt: skip
def test_script_is_missing_only_where_that_is_sure(command: str, severity: str | None) -> None:
    text = dag(f"BashOperator(bash_command={command!r})")
    found = across({"jobs/load_orders.py": b"ROWS = 1\n", "dags/a.py": text})
    assert [one.severity.value for one in found] == ([severity] if severity else [])


def test_scripts_of_images_are_left_alone() -> None:
    pod = dag("GKEPodOperator(task_id='a', image='x', arguments=['python', 'jobs/load_order.py'])",
              "DockerOperator(task_id='b', image='x', command='python jobs/load_order.py')")  # fmt: skip
    assert across({"jobs/load_orders.py": b"ROWS = 1\n", "dags/a.py": pod}) == []


def test_sql_file_is_missing_only_where_no_search_path_may_find_it() -> None:
    call = "PostgresOperator(task_id='a', sql='sql/load_order.sql')"
    files = {"dags/sql/load_orders.sql": b"select 1 as a"}
    assert [one.severity.value for one in across({**files, "dags/a.py": dag(call)})] == ["error"]
    helper = f"def make():\n    return {call}\n".encode()
    assert across({**files, "dags/a.py": helper}) == []
    searched = dag(call).replace(b"DAG('d',", b"DAG('d', template_searchpath=['/x'],")
    assert across({**files, "dags/a.py": searched}) == []
    unpacked = dag(call).replace(b"DAG('d',", b"DAG('d', **more,")
    assert across({**files, "dags/a.py": unpacked}) == []
    own = dag("MyOperator(task_id='a', sql='sql/load_order.sql')", "PostgresOperator(task_id='b', sql='select 1')")
    assert across({**files, "dags/a.py": own}) == []


def test_airflow_name_in_metadata_is_lost_only_if_near_or_removed() -> None:
    model = {
        **PROJECT,
        "dbt/models/x.yml": b"models:\n  - name: x\n    meta: {dag_id: ingest_order, owner: ingest_x}\n",
    }
    assert across({**model, "dags/a.py": dag("x = 'billing'")}) == []
    assert len(across({**model, "dags/a.py": dag("x = 'ingest_orders'")})) == 1
    computed = dag("DAG(f'ingest_{x}')", "x = 'ingest_orders'")
    assert across({**model, "dags/a.py": computed}) == []
    base = {**model, "dags/a.py": dag("x = 'ingest_order'")}
    [one] = across({**model, "dags/a.py": dag("x = 'billing'")}, base)
    assert one.severity == "error" and "any more" in one.summary


def test_declared_names_are_read_from_known_forms_only() -> None:
    def names(path: str, text: str) -> object:
        return declared(SourceFile(path, text.encode()))

    assert names("variables.json", '{"a": 1}') == {"variable": ["a"]}
    assert names("conf/dev_connections.json", '[{"conn_id": "a"}]') == {"connection": ["a"]}
    assert names("pools.json", '{"pools": [{"name": "a"}]}') == {"pool": ["a"]}
    assert names("schemas/liquidity_pools_schema.json", '{"a": 1}') is None
    assert names("variables.json", "[1]") is names("variables.json", "{") is None
    assert names("airflow_settings.yaml", "airflow:\n  pools:\n    - pool_name:\n") is None
    assert names("airflow_settings.yaml", "a: [") is names("airflow_settings.yaml", "- a") is None


def test_settings_of_two_files_say_nothing() -> None:
    use = dag("BashOperator(task_id='a', pool='heavi')")
    assert len(across({"pools.json": b'{"heavy": {}}', "dags/a.py": use})) == 1
    assert across({"a/pools.json": b'{"heavy": {}}', "b/pools.json": b'{"light": {}}', "dags/a.py": use}) == []
    numbered = dag("BashOperator(task_id='a', pool='heavy_2')")
    [one] = across({"pools.json": b'{"heavy_1": {}}', "dags/a.py": numbered})
    assert one.severity == "info"


def test_shell_is_read_as_far_as_it_is_plain() -> None:
    [(words, folder)] = list(commands("cd a/b\nFOO=1 dbt run \\\n  -s x"))
    assert folder == "a/b" and selection_of(words, folder).selected == ("x",)
    assert list(commands("echo 'unclosed")) == [] and list(commands("{{ x }}")) == []
    assert script_of(["spark-submit", "--jars", "a.py", "b.py"]).path == "b.py"
    assert selection_of(["dbt", "deps"]) is None and selection_of(["poetry", "run", "dbt", "ls", "-s", "a"]) is not None


@pytest.mark.timeout(20)
@pytest.mark.parametrize("path", ["dags/a.py", "dags/a.yaml", "dbt/a.sql", "dbt/a.yml", "jobs/a.py", "variables.json"])
@pytest.mark.parametrize(
    "source",
    [
        b"", b"\x00\xff\xfe" * 1000, b"x = '" + b"a" * 1_000_000 + b"'", b"[" * 20_000, b"- " * 50_000,
        b"tags=[" * 50_000, b"meta dag_id = [" * 20_000, b"&a [*a]", b"DAG()\nBashOperator(bash_command='" + b"cd x;" * 9000 + b"')",
        b"Variable.get()\nos.environ[1]\nRenderConfig(select=3)\nDAG(*x)\nf()()[0](env={})", b"not python {{",
    ],
    ids=range(11),
)  # fmt: skip
def test_hostile_input_neither_raises_nor_takes_long(path: str, source: bytes) -> None:
    layout = Layout(("dags",), ("dags", "."), ("dbt",), ("jobs/a.py",))
    for kind in (*FAMILY.facts, *SETTINGS.facts):
        if matches(path, kind.patterns):
            kind.extract(SourceFile(path, source, layout))


READS_JSON = dag("from airflow.models import Variable", "limits = Variable.get('limits', deserialize_json=True)")


def types(settings: bytes, code: bytes = READS_JSON, **more: bytes) -> list[str]:
    files = {"variables.json": settings, "dags/d.py": code, **more}
    return [f"{one.place}: {one.summary}" for one in across(files) if one.rule == "ILK-CF105"]


def test_text_that_is_read_as_json_is_told_without_its_value() -> None:
    (told,) = types(b'{"limits": "rows=500"}')
    assert told == "dags/d.py:8: the variable 'limits' is read as JSON, and its value in variables.json is none"


@pytest.mark.parametrize(
    "value",
    ['""', '"500"', '"[1, 2]"', '"null"', "500", "[]", '{"a": "b"}', '"{{ limits }}"', '"${LIMITS}"', '"<limits>"',
     '"CHANGE_ME"', '"ENC[AES256_GCM,data:x]"', '"xxxx"'],
)  # fmt: skip
def test_json_and_what_stands_in_for_a_value_are_left_alone(value: str) -> None:
    assert types(b'{"limits": %s}' % value.encode()) == []


@pytest.mark.parametrize(
    "code",
    ["Variable.set('limits', '{}')", "Variable.set(name, '{}')", "Variable.get('limits')",
     "Variable.get('limits', deserialize_json=as_json)", "'{{ var.value.limits }}'", "'var.json.limits'",
     "f'{{{{ var.json.limits_{name} }}}}'"],
)  # fmt: skip
def test_variables_that_code_writes_or_reads_as_text_are_left_alone(code: str) -> None:
    reads = READS_JSON if "set(" in code else HEAD.encode()
    assert types(b'{"limits": "rows=500"}', reads + code.encode()) == []


def test_variable_of_the_environment_is_left_alone() -> None:
    assert types(b'{"limits": "rows=500"}', **{".env": b"AIRFLOW_VAR_LIMITS={}\n"}) == []
    assert types(b'{"limits": "rows=500"}', **{"variables.dev.json": b'{"limits": {"rows": 5}}'}) == []


DECLARED = {
    "variables.json": b'{\n"bucket": "b",\n"leftover": "x"}',
    "pools.json": b'{"heavy": {},\n"leftover": {}}',
    "connections.json": b'{"lake": {},\n"leftover": {}, "spark_default": {}}',
}
USES = dag(
    "from airflow.models import Variable",
    "bucket = Variable.get('bucket')",
    "BashOperator(task_id='a', bash_command='{{ var.value.bucket }}', pool='heavy')",
    "S3KeySensor(task_id='b', aws_conn_id='lake')",
)


def unused(code: bytes = USES, **more: bytes) -> list[str]:
    files = {**{path: text.replace(b"leftover", b"left_%s" % path[:4].encode()) for path, text in DECLARED.items()},
             "dags/d.py": code, **more}  # fmt: skip
    return [str(one.place) for one in across(files) if one.rule == "ILK-CF104"]


def test_settings_that_nothing_names_are_mentioned_where_they_stand() -> None:
    assert unused() == ["connections.json:2", "pools.json:2", "variables.json:3"]


@pytest.mark.parametrize("path", ["README.md", "jobs/a.py", "dbt/models/a.sql", ".env", "Dockerfile", "plugins/x.txt"])
def test_whatever_names_a_setting_uses_it(path: str) -> None:
    assert unused(**{path: b"x LEFT_VARI left_pool left_conn"}) == []


def test_setting_that_another_declaration_names_is_used() -> None:
    holds = b'{"bucket": "left_conn", "left_vari": {}}'
    assert unused(**{"variables.json": holds}) == ["pools.json:2", "variables.json:1"]
    assert "variables.json:3" in unused(**{"variables.prod.json": b'{"left_vari": "y"}'})


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("variables", "Variable.get(f'left_{x}')"),
        ("variables", "Variable.get('left_' + x)"),
        ("variables", "read = Variable.get"),
        ("variables", "from airflow.models import Variable as V"),
        ("variables", "BashOperator(task_id='x', bash_command='{{ var.value.left_' + x + ' }}')"),
        ("variables", "BashOperator(task_id='x', bash_command='{{ var.value[params.name] }}')"),
        ("variables", "BashOperator(task_id='x', bash_command=f'{{{{ var.value.left_{x} }}}}')"),
        ("variables", "value = os.environ['AIRFLOW_VAR_' + name]"),
        ("variables", "session.query(Variable).all()"),
        ("pools", "BashOperator(task_id='x', pool=name)"),
        ("pools", "default_args = {'pool': f'left_{x}'}"),
        ("connections", "BashOperator(task_id='x', ssh_conn_id=name)"),
        ("connections", "BaseHook.get_connection(name)"),
        ("connections", "PostgresHook(name)"),
        ("connections", "BashOperator(task_id='x', bash_command='{{ conn[name].host }}')"),
    ],
)
def test_where_a_name_may_be_computed_nothing_is_said_of_its_kind(kind: str, code: str) -> None:
    files = {"connections.json:2", "pools.json:2", "variables.json:3"}
    assert set(unused(USES + code.encode())) == {one for one in files if not one.startswith(kind)}


@pytest.mark.parametrize(
    "code",
    ["Variable.get('bucket', default_var=None)", "Variable.get(key='bucket')", "'{{ var.json.get(\"bucket\", 1) | x }}'",
     "os.environ['AIRFLOW_VAR_BUCKET']", "class OurHook(BaseHook): pass", "PostgresHook('lake')", "PostgresHook()",
     "BaseHook.get_connection('lake')", "PostgresHook(postgres_conn_id='lake')", "'{{ conn.lake.host }}'",
     "'{% if var.value.bucket == 1 %}{% endif %}'"],
)  # fmt: skip
def test_names_that_stand_there_are_not_computed(code: str) -> None:
    assert len(unused(USES + code.encode())) == 3


def test_file_of_settings_for_other_dags_is_left_alone() -> None:
    assert unused(dag("x = 1")) == []
    assert across({"dags/d.py": USES, "tests/variables.json": b'{"bucket": "b", "left": "x"}'}) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("variables.json", b'{"bucket": 1, "\\ud800": "x", "": "y", "caf\\u00e9": "z"}'),
        ("airflow_settings.yaml", b"airflow:\n  variables:\n  - variable_name: [bucket]\n    variable_value: x\n"),
        ("airflow_settings.yaml", b"airflow:\n  variables:\n  - {variable_name: {b: c}, variable_value: y}\n"),
    ],
)
def test_odd_names_of_settings_raise_nothing(path: str, text: bytes) -> None:
    assert {one.rule for one in across({path: text, "dags/d.py": USES})} <= {"ILK-CF101"}
