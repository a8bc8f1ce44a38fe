select
    payment_date,
    currency,
    method,
    count(*) as payments,
    cast(sum(amount_minor) as bigint) as gross_minor,
    cast(sum(amount_minor - refunded_minor) as bigint) as net_minor,
    cast(sum(amount_reporting) as numeric(18, 2)) as gross_reporting
from {{ ref('fct_payments') }}
where status in ('settled', 'refunded')
group by payment_date, currency, method
