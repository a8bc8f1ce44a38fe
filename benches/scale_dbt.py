"""The dbt part of a scale project: four layers of models over raw tables, three tests a model, and those tables."""

from collections.abc import Iterator
from textwrap import dedent

from scale_outline import STATUSES, Model, Project


def raw_sql(project: Project) -> str:
    """DuckDB statements that make every raw table, with a few hundred rows each."""
    statements = ["create schema if not exists raw;"]
    for number, model in enumerate(project.layer("staging")):
        rows = 400 + 37 * (number % 17)
        statements.append(
            f"create or replace table raw.{model.source} as\n"
            f"select\n    i as id,\n    (i * 7 + {number}) % 97 as customer_id,\n"
            f"    (i * {number % 13 + 3} % 9973) * 100 as amount_minor,\n"
            "    ['EUR', 'USD', 'GBP'][i % 3 + 1] as currency,\n"
            f"    {list(STATUSES)!r}[i % 4 + 1] as status,\n"
            "    timestamp '2026-01-01' + to_minutes(i * 11) as created_at,\n"
            "    timestamp '2026-01-02' + to_minutes(i * 11) as loaded_at\n"
            f"from range(1, {rows + 1}) as series(i);"
        )
    return "\n".join(statements) + "\n"


def dbt_files(project: Project) -> Iterator[tuple[str, str]]:
    """Each file below `dbt/`: its path and its text."""
    yield (
        "dbt/dbt_project.yml",
        dedent("""\
        name: scale
        version: "1.0"
        config-version: 2
        profile: scale
        model-paths: [models]
        macro-paths: [macros]
        models:
          scale:
            staging: {+materialized: view}
            intermediate: {+materialized: view}
            marts: {+materialized: table}
            reports: {+materialized: table}
        """),
    )
    yield "dbt/profiles.yml", _profiles()
    yield (
        "dbt/macros/money.sql",
        dedent("""\
        {% macro from_minor(column) -%}
        cast({{ column }} as decimal(18, 2)) / 100
        {%- endmacro %}
        """),
    )
    for area in project.areas:
        staged = [model for model in project.layer("staging") if model.area == area]
        if staged:
            yield f"dbt/models/staging/{area}/_sources.yml", _sources_yml(area, staged)
        for layer in ("staging", "intermediate", "marts", "reports"):
            members = [model for model in project.layer(layer) if model.area == area]
            if members:
                yield f"dbt/models/{layer}/{area}/_models.yml", _models_yml(members)
    write = {"staging": _staging_sql, "intermediate": _intermediate_sql, "marts": _mart_sql, "reports": _report_sql}
    for model in project.models:
        yield f"dbt/models/{model.layer}/{model.area}/{model.name}.sql", write[model.layer](model)


def _profiles() -> str:
    def output(target: str) -> str:
        return f"""\
    {target}:
      type: duckdb
      path: "{{{{ env_var('ILK_WAREHOUSE_PATH', 'warehouse.duckdb') }}}}"
      schema: "{{{{ env_var('ILK_WAREHOUSE_SCHEMA', 'analytics') }}}}"
      threads: 2
"""

    return "scale:\n  target: dev\n  outputs:\n" + "".join(output(name) for name in ("dev", "staging", "prod"))


def _sources_yml(area: str, staged: list[Model]) -> str:
    tables = "".join(f"      - name: {model.source}\n" for model in staged)
    return f"version: 2\nsources:\n  - name: raw_{area}\n    schema: raw\n    tables:\n{tables}"


def _models_yml(members: list[Model]) -> str:
    return "version: 2\nmodels:\n" + "".join(_model_entry(model) for model in members)


def _model_entry(model: Model) -> str:
    """Three tests a model: the key is unique and there, and one that fits the layer."""
    third = {
        "staging": f"""\
      - name: status
        data_tests:
          - accepted_values:
              arguments: {{values: [{", ".join(STATUSES)}]}}
""",
        "intermediate": "      - name: customer_id\n        data_tests: [not_null]\n",
        "marts": "      - name: size_band\n        data_tests: [not_null]\n",
        "reports": "      - name: total_amount\n        data_tests: [not_null]\n",
    }[model.layer]
    linked = ""
    if model.layer == "marts" and model.number % 2 == 0:
        third = ""
        linked = f"""\
          - relationships:
              arguments: {{to: ref('{model.peers[0]}'), field: row_id}}
"""
    return f"""\
  - name: {model.name}
    description: Layer {model.layer} of the area {model.area}.
    config: {{tags: [{model.area}]}}
    columns:
      - name: row_id
        data_tests:
          - unique
          - not_null
{linked}{third}"""


def _staging_sql(model: Model) -> str:
    return f"""\
with source as (

    select * from {{{{ source('raw_{model.area}', '{model.source}') }}}}

),

renamed as (

    select
        id as row_id,
        customer_id,
        {{{{ from_minor('amount_minor') }}}} as amount,
        upper(currency) as currency,
        lower(status) as status,
        created_at,
        loaded_at
    from source
    where amount_minor >= {model.number % 7 * 100}

)

select * from renamed
"""


def _intermediate_sql(model: Model) -> str:
    grain, other = model.peers[0], model.peers[-1]
    return f"""\
with base as (

    select * from {{{{ ref('{grain}') }}}}

),

peers as (

    select
        customer_id,
        count(*) as peer_count,
        sum(amount) as peer_amount
    from {{{{ ref('{other}') }}}}
    where status != '{STATUSES[model.number % 4]}'
    group by customer_id

)

select
    base.row_id,
    base.customer_id,
    base.amount,
    base.currency,
    base.status,
    base.created_at,
    base.loaded_at,
    coalesce(peers.peer_count, 0) as peer_count,
    coalesce(peers.peer_amount, 0) as peer_amount
from base
left join peers on base.customer_id = peers.customer_id
"""


def _mart_sql(model: Model) -> str:
    grain, other = model.peers[0], model.peers[-1]
    config, guard = "", ""
    if model.incremental:
        config = """\
{{ config(
    materialized='incremental',
    unique_key='row_id',
    incremental_strategy='delete+insert'
) }}

"""
        guard = """\
{% if is_incremental() %}
where base.loaded_at > (select max(loaded_at) from {{ this }})
{% endif %}
"""
    return f"""\
{config}with base as (

    select * from {{{{ ref('{grain}') }}}}

),

totals as (

    select
        customer_id,
        max(amount) as largest_amount,
        avg(amount) as mean_amount
    from {{{{ ref('{other}') }}}}
    group by customer_id

)

select
    base.row_id,
    base.customer_id,
    base.amount,
    base.amount - base.amount * {model.number % 5 + 1} / 100 as net_amount,
    base.currency,
    base.status,
    cast(base.created_at as date) as created_on,
    base.loaded_at,
    case
        when base.amount < {50 + model.number % 9 * 10} then 'small'
        when base.amount < coalesce(totals.mean_amount, 0) then 'medium'
        else 'large'
    end as size_band,
    row_number() over (
        partition by base.customer_id
        order by base.created_at, base.row_id
    ) as customer_sequence
from base
left join totals on base.customer_id = totals.customer_id
{guard}"""


def _report_sql(model: Model) -> str:
    unions = "\n    union all\n".join(
        f"    select customer_id, net_amount, created_on, '{peer}' as origin\n    from {{{{ ref('{peer}') }}}}"
        for peer in model.peers
    )
    return f"""\
with together as (

{unions}

)

select
    customer_id as row_id,
    count(*) as movements,
    count(distinct origin) as origins,
    sum(net_amount) as total_amount,
    max(created_on) as last_seen_on
from together
group by customer_id
"""
