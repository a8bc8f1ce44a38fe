"""What the rules about dbt's files say of odd and of hostile input: nothing, and without raising."""

import time

import pytest

from interlock.model.findings import Severity
from interlock.rules.jinja_sql import JinjaProject, render
from tests.regressions.case import check_files

PROJECT = b'name: shop\nversion: "1.0"\n'
DEEP = b"{{ " + b"(" * 20_000 + b"1" + b")" * 20_000 + b" }}"


def said(files: dict[str, bytes], **more: object) -> list[tuple[str, str]]:
    found = check_files({"dbt_project.yml": PROJECT, **files}, **more)
    return [(one.rule, str(one.place)) for one in found if one.severity is not Severity.INFO and "-DS" in one.rule]


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff\xfe" * 50, b"a" * 1_000_000, DEEP, b"{% if a %}" * 300 + b"{% endif %}" * 300,
     b"{% for a in b %}" * 30 + b"{% endfor %}" * 30, b"select 1 {# " + b"{" * 5000 + b" #}"],
)  # fmt: skip
def test_hostile_model_raises_nothing(content: bytes) -> None:
    assert said({"models/a.sql": content, "macros/b.sql": content, "snapshots/c.sql": content}) in ([],)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00", b"[" * 3_000, b"- a\n- b\n", b"models: 3\nsources: {a: b}\nexposures: [1, null]\n",
     b"models:\n  - name: [a]\n    columns: {a: 1}\n    tests: {a: b}\n  - 7\n",
     b"a: &a [1,1]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c]\n"
     b"models: [*d,*d,*d,*d,{name: x, config: {meta: *d}}]\n"],
)  # fmt: skip
def test_hostile_yaml_raises_nothing(content: bytes) -> None:
    files = {
        "models/a.yml": content,
        "dbt_project.yml": content,
        "sub/dbt_project.yml": PROJECT,
        "packages.yml": content,
    }
    assert {rule for rule, _ in said({**files, "sub/models/a.yml": content, "sub/models/x.sql": b"select 1"})} <= {
        "ILK-DS008",
        "ILK-DS024",
    }


def test_everything_that_dbt_brings_may_be_called() -> None:
    sql = b"""
    {%- set cols = adapter.get_columns_in_relation(ref('b')) if execute else [] -%}
    {%- do log('x', info=True) -%}{%- set day = modules.datetime.date.today() -%}
    {%- call statement('s', fetch_result=True) -%} select 1 {%- endcall -%}
    {{ config(pre_hook="{{ audit('x') }}", tags=[var('t', 'a')]) }}
    select {{ dbt.current_timestamp() }}, {{ date_trunc('day', 'a') }}, {{ some_package.macro(1, b=2) }},
      {{ run_query('select 1').columns[0].values() | join(', ') }}, {{ return(1) if false }}, {{ cycler('a', 'b').next() }}
    from {{ ref('b') }} {{ bigquery__thing() }} where '{{ env_var("X") }}' <> '{{ invocation_id }}'
    """
    assert said({"models/a.sql": sql, "models/b.sql": b"select 1"}) == []


def test_computed_names_are_left_alone() -> None:
    files = {
        "models/a.sql": b"{% for n in ['b', 'c'] %}select * from {{ ref('stg_' ~ n) }}{{ source(n, 'x') }}{% endfor %}",
        "models/s.yml": b"sources:\n  - name: \"{{ var('s') }}\"\n    tables: [{name: x}]\n",
        "models/b.sql": b"select * from {{ source('raw', 'x') }}",
    }
    assert said(files) == []


def test_files_of_installed_packages_are_nobody_s_mistake() -> None:
    package = "dbt_packages/tools"
    files = {
        f"{package}/dbt_project.yml": b"name: tools\n",
        f"{package}/models/t.sql": b"select * from {{ ref('nowhere') }} {% if %}",
        f"{package}/models/tools__days.sql": b"select 1",
        "packages.yml": b"packages:\n  - package: x/tools\n    version: 1.0.0\n",
        "models/a.sql": b"select * from {{ ref('tools__days') }} join {{ ref('tools', 'tools__days') }} using (a)",
    }
    assert said(files) == []


def test_projects_of_one_repository_do_not_mix() -> None:
    files = {
        "a/dbt_project.yml": b"name: a\n", "a/models/orders.sql": b"select 1",
        "b/dbt_project.yml": b"name: b\n", "b/models/orders.sql": b"select 1",
        "b/models/more.sql": b"select * from {{ ref('a', 'orders') }}",
    }  # fmt: skip
    found = check_files(files)
    assert [one.rule for one in found if "-DS" in one.rule] == []


MACROS = {
    "macros/m.sql": "notes {{ never read }}\n{% macro cents(c, by=100) %}({{ c }} * {{ by }}){% endmacro %}"
    "{% macro listed() %}{{ return(['a', 'b']) }}{% endmacro %}{% macro loops() %}{{ loops() }}{% endmacro %}"
    "{% macro size() %}{{ return(adapter.dispatch('size', 'shop')()) }}{% endmacro %}"
    "{% macro default__size() %}1{% endmacro %}{% macro snowflake__size() %}2{% endmacro %}"
}


def rendered(text: str, *, incremental: bool = False, adapter: str = "snowflake"):
    return render(text, JinjaProject("shop", MACROS, adapter=adapter), path="models/m.sql", incremental=incremental)


def test_own_macros_are_called_and_the_rest_is_opaque() -> None:
    one = rendered("{% for c in listed() %}{{ cents(c) }},{% endfor %}{{ dbt_utils.star(ref('x')) }} {{ size() }}")
    assert one.sql == "(a * 100),(b * 100),__opaque_1__ 2"
    assert one.opaque == {"__opaque_1__": "dbt_utils.star"} and one.complete
    assert one.refs == (("", "x", ""),)


def test_lines_lead_back_to_the_source() -> None:
    text = (
        "{{ config(\n  a=1\n) }}\n\nselect\n  {{ cents('a') }},\n{% for c in listed() %}\n  {{ c }},\n{% endfor %}\n1\n"
    )
    one = rendered(text)
    where = {
        line.strip(): one.source_line(number) for number, line in enumerate(one.sql.split("\n"), 1) if line.strip()
    }
    assert where == {"select": 5, "(a * 100),": 6, "a,": 8, "b,": 8, "1": 10}


def test_later_runs_have_their_own_text() -> None:
    text = "select 1{% if is_incremental() %} where a > (select max(a) from {{ this }}){% endif %}"
    assert rendered(text).sql == "select 1"
    assert "from __this__" in rendered(text, incremental=True).sql


@pytest.mark.parametrize(
    "text",
    ["{% for i in range(10**9) %}{% endfor %}", "{{ loops() }}", "{{ 'a' * 10**10 }}", "{{ 9 ** 9 ** 9 ** 9 }}",
     "{% set n = namespace(x='aaaa') %}{% for i in range(70) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
     "{% set l = range(1000) | list %}{% for a in l %}{% for b in l %}{% for c in l %}{% endfor %}{% endfor %}{% endfor %}",
     "{{ '%999999999d' % 1 }}", "{{ '{:>999999999}'.format(1) }}", "{{ 'a' | center(10**9) }}", "{{ 'a'.ljust(10**9) }}"],
)  # fmt: skip
def test_rendering_ends(text: str) -> None:
    began = time.monotonic()
    assert not rendered(text).complete
    assert time.monotonic() - began < 8


def test_sandbox_keeps_python_out_of_reach() -> None:
    assert "class" not in rendered("{{ ''.__class__.__mro__ }}{{ ref.__globals__ }}{{ listed.__code__ }}").sql
