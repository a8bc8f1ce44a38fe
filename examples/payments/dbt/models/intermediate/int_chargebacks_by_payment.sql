{{ config(materialized='ephemeral') }}

select
    payment_id,
    cast(sum(chargeback_minor) as bigint) as disputed_minor,
    cast(sum(case when outcome = 'lost' then chargeback_minor else 0 end) as bigint) as lost_minor,
    count(*) as chargebacks
from {{ ref('stg_chargebacks') }}
group by payment_id
