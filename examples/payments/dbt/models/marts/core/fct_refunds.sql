select
    refunds.refund_id,
    refunds.payment_id,
    payments.merchant_id,
    refunds.currency,
    refunds.refund_minor,
    refunds.reason,
    refunds.refund_minor = payments.amount_minor as is_full_refund,
    refunds.refunded_at,
    refunds.loaded_at
from {{ ref('stg_refunds') }} as refunds
inner join {{ ref('stg_payments') }} as payments on refunds.payment_id = payments.payment_id
