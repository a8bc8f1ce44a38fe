-- How long each payment took from its first event to its last.
select
    payment_id,
    min(occurred_at) as first_event_at,
    max(occurred_at) as last_event_at,
    count(*) as events,
    {{ seconds_between('min(occurred_at)', 'max(occurred_at)') }} as lifetime_seconds
from {{ ref('stg_payment_events') }}
group by payment_id
