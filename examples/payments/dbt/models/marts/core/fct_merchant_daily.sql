-- A day is rewritten as a whole while payments of it may still change (three days).
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['merchant_id', 'payment_date']
) }}

select
    merchant_id,
    payment_date,
    count(*) as payments,
    sum(case when status = 'settled' then 1 else 0 end) as settled_payments,
    sum(case when status = 'failed' then 1 else 0 end) as failed_payments,
    cast(sum(amount_reporting) as numeric(18, 2)) as volume_reporting,
    max(loaded_at) as loaded_at
from {{ ref('int_payments_converted') }}
{% if is_incremental() %}
where payment_date >= (
    select coalesce(max(payment_date), date '1970-01-01') - interval '3 day' from {{ this }}
)
{% endif %}
group by merchant_id, payment_date
