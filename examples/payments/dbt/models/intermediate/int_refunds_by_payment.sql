{{ config(materialized='view') }}

select
    payment_id,
    cast(sum(refund_minor) as bigint) as refunded_minor,
    count(*) as refunds,
    max(refunded_at) as last_refunded_at
from {{ ref('stg_refunds') }}
group by payment_id
