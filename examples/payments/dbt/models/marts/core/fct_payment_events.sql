-- Events never change once they are written, so new ones are only added.
{{ config(materialized='incremental', incremental_strategy='append') }}

select
    event_id,
    payment_id,
    event_type,
    occurred_at,
    loaded_at
from {{ ref('stg_payment_events') }}
{% if is_incremental() %}
where loaded_at > (select coalesce(max(loaded_at), timestamp '1970-01-01 00:00:00') from {{ this }})
{% endif %}
