select
    payment_date,
    method,
    count(*) as attempted,
    sum(case when status <> 'failed' then 1 else 0 end) as authorized,
    sum(case when status in ('captured', 'settled', 'refunded', 'disputed') then 1 else 0 end) as captured,
    sum(case when status in ('settled', 'refunded', 'disputed') then 1 else 0 end) as settled,
    {{ share("sum(case when status in ('settled', 'refunded', 'disputed') then 1 else 0 end)", 'count(*)') }}
        as settlement_rate
from {{ ref('fct_payments') }}
group by payment_date, method
