select
    refund_id,
    payment_id,
    amount_minor as refund_minor,
    currency,
    reason,
    created_at as refunded_at,
    loaded_at
from {{ source('raw', 'refunds') }}
