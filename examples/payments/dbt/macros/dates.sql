{% macro day_of(moment) -%}
    cast(date_trunc('day', {{ moment }}) as date)
{%- endmacro %}

{% macro month_of(moment) -%}
    cast(date_trunc('month', {{ moment }}) as date)
{%- endmacro %}

{#- Whole seconds between two moments. -#}
{% macro seconds_between(earlier, later) -%}
    cast(extract(epoch from ({{ later }} - {{ earlier }})) as bigint)
{%- endmacro %}
