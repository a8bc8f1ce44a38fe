select
    customer_id,
    min(created_at) as first_payment_at,
    max(created_at) as last_payment_at,
    count(*) as payments,
    sum(case when status in ('settled', 'captured') then amount_reporting else 0 end) as spend_reporting
from {{ ref('int_payments_converted') }}
group by customer_id
