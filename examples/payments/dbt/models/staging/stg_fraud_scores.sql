{{ config(event_time='scored_at') }}

select
    payment_id,
    score,
    model_version,
    scored_at,
    loaded_at
from {{ source('raw', 'fraud_scores') }}
