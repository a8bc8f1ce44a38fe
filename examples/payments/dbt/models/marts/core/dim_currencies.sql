select
    currencies.currency,
    currencies.currency_name,
    currencies.minor_units,
    latest.rate as latest_rate,
    latest.rate_date as latest_rate_date
from {{ ref('currencies') }} as currencies
left join (
    select
        currency,
        rate,
        rate_date,
        row_number() over (partition by currency order by rate_date desc) as recency
    from {{ ref('stg_fx_rates') }}
) as latest on currencies.currency = latest.currency and latest.recency = 1
