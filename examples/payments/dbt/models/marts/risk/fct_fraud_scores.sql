-- Scores in batches of their time: a year can be scored again without touching the others. PostgreSQL wants a key for that
-- strategy, and DuckDB refuses one.
{{ config(
    materialized='incremental',
    incremental_strategy='microbatch',
    event_time='scored_at',
    begin='2025-01-01',
    batch_size='year',
    unique_key=none if target.type == 'duckdb' else 'payment_id'
) }}

select
    payment_id,
    score,
    model_version,
    score >= {{ var('high_risk_score') }} as is_high_risk,
    scored_at,
    loaded_at
from {{ ref('stg_fraud_scores') }}
