select
    payment_date,
    count(*) as payments,
    cast(sum(fee_reporting) as numeric(18, 2)) as fees_reporting,
    {{ share('sum(fee_reporting)', 'sum(amount_reporting)') }} as take_rate
from {{ ref('int_fees') }}
group by payment_date
