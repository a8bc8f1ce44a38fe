select
    payment_id,
    merchant_id,
    customer_id,
    amount_minor,
    upper(currency) as currency,
    status,
    method,
    {{ day_of('created_at') }} as payment_date,
    created_at,
    updated_at,
    loaded_at
from {{ source('raw', 'payments') }}
