select payment_date, currency, method from {{ ref('mart_settlement_daily') }} where net_minor > gross_minor
