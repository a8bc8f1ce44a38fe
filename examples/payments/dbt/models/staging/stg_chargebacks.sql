select
    chargeback_id,
    payment_id,
    amount_minor as chargeback_minor,
    currency,
    reason,
    outcome,
    opened_at,
    loaded_at
from {{ source('raw', 'chargebacks') }}
