select
    rate_date,
    upper(currency) as currency,
    quote_currency,
    rate,
    loaded_at
from {{ source('raw', 'fx_rates') }}
where rate > 0
