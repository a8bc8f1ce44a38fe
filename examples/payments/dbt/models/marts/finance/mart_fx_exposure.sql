select
    payment_date,
    currency,
    cast(sum(amount) as numeric(18, 2)) as open_amount,
    cast(sum(amount_reporting) as numeric(18, 2)) as open_reporting
from {{ ref('int_payments_converted') }}
where status in ('authorized', 'captured') and currency <> '{{ var("reporting_currency") }}'
group by payment_date, currency
