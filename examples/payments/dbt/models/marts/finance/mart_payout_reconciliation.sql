-- What was paid out beside what was settled; a difference is a break that the finance team clears.
with settled as (
    select
        merchant_id,
        payment_date,
        currency,
        cast(sum(amount_minor) as bigint) as settled_minor
    from {{ ref('stg_payments') }}
    where status = 'settled'
    group by merchant_id, payment_date, currency
)

select
    payouts.payout_id,
    payouts.merchant_id,
    payouts.payout_date,
    payouts.currency,
    payouts.gross_minor,
    payouts.net_minor,
    coalesce(settled.settled_minor, 0) as settled_minor,
    payouts.gross_minor - coalesce(settled.settled_minor, 0) as break_minor
from {{ ref('stg_payouts') }} as payouts
left join settled
    on payouts.merchant_id = settled.merchant_id
    and payouts.payout_date = settled.payment_date
    and payouts.currency = settled.currency
