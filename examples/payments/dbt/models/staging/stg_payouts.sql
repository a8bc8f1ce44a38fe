select
    payout_id,
    merchant_id,
    payout_date,
    currency,
    gross_minor,
    fee_minor,
    gross_minor - fee_minor as net_minor,
    payments as payment_count,
    loaded_at
from {{ source('raw', 'payouts') }}
