{#- Minor units to units of a currency. Written as a product: whole-number division differs between warehouses. -#}
{% macro to_major(amount_minor, minor_units) -%}
    cast({{ amount_minor }} * case {{ minor_units }} when 0 then 1 when 3 then 0.001 else 0.01 end as numeric(18, 2))
{%- endmacro %}

{#- A share in [0, 1], null where there is nothing to divide by. -#}
{% macro share(part, whole) -%}
    cast(cast({{ part }} as double precision) / nullif({{ whole }}, 0) as numeric(10, 6))
{%- endmacro %}
