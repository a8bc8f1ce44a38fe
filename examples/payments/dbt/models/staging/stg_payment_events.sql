select
    event_id,
    payment_id,
    event_type,
    occurred_at,
    loaded_at
from {{ source('raw', 'payment_events') }}
