select refunds.refund_id
from {{ ref('fct_refunds') }} as refunds
inner join {{ ref('stg_payments') }} as payments on refunds.payment_id = payments.payment_id
where refunds.refund_minor > payments.amount_minor
