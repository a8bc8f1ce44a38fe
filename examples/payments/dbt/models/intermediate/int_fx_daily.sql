-- One rate for each currency and day: the last known one is carried over days without a quote.
with days as (
    select distinct payment_date as rate_date from {{ ref('stg_payments') }}
),

wanted as (
    select days.rate_date, currencies.currency
    from days
    cross join {{ ref('currencies') }} as currencies
),

candidates as (
    select
        wanted.rate_date,
        wanted.currency,
        rates.rate,
        row_number() over (partition by wanted.rate_date, wanted.currency order by rates.rate_date desc) as age_rank
    from wanted
    inner join {{ ref('stg_fx_rates') }} as rates
        on wanted.currency = rates.currency
        and rates.rate_date <= wanted.rate_date
        and rates.rate_date > wanted.rate_date - interval '7 day'
)

select rate_date, currency, rate
from candidates
where age_rank = 1
