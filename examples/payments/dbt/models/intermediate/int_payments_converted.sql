{{ config(materialized='view') }}

select
    payments.payment_id,
    payments.merchant_id,
    payments.customer_id,
    payments.status,
    payments.method,
    payments.currency,
    payments.amount_minor,
    {{ to_major('payments.amount_minor', 'currencies.minor_units') }} as amount,
    cast(
        {{ to_major('payments.amount_minor', 'currencies.minor_units') }} * fx.rate as numeric(18, 2)
    ) as amount_reporting,
    payments.payment_date,
    payments.created_at,
    payments.updated_at,
    payments.loaded_at
from {{ ref('stg_payments') }} as payments
inner join {{ ref('currencies') }} as currencies on payments.currency = currencies.currency
left join {{ ref('int_fx_daily') }} as fx
    on payments.currency = fx.currency and payments.payment_date = fx.rate_date
