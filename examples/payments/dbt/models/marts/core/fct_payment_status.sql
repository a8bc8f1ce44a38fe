-- The current status of each payment; a changed one replaces the row that is there.
{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='payment_id'
) }}

select
    payments.payment_id,
    payments.status,
    payments.status in ('settled', 'failed', 'voided', 'refunded') as is_final,
    lifecycle.events,
    lifecycle.lifetime_seconds,
    payments.updated_at,
    payments.loaded_at
from {{ ref('stg_payments') }} as payments
inner join {{ ref('int_payment_lifecycle') }} as lifecycle on payments.payment_id = lifecycle.payment_id
{% if is_incremental() %}
where payments.loaded_at > (select coalesce(max(loaded_at), timestamp '1970-01-01 00:00:00') from {{ this }})
{% endif %}
