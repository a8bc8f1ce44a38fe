-- One row for each payment, whatever its status: finance reconciles against the processor's own count.
select
    cast(payments.payment_id as varchar) as payment_id,
    cast(payments.merchant_id as varchar) as merchant_id,
    cast(payments.customer_id as varchar) as customer_id,
    cast(payments.status as varchar) as status,
    cast(payments.method as varchar) as method,
    cast(payments.currency as varchar) as currency,
    payments.amount_minor,
    payments.amount,
    payments.amount_reporting,
    cast(coalesce(refunds.refunded_minor, 0) as bigint) as refunded_minor,
    cast(merchants.region as varchar) as merchant_region,
    cast(merchants.tier as varchar) as merchant_tier,
    payments.payment_date,
    payments.created_at,
    payments.updated_at,
    payments.loaded_at
from {{ ref('int_payments_converted') }} as payments
left join {{ ref('dim_merchants') }} as merchants on payments.merchant_id = merchants.merchant_id
left join {{ ref('int_refunds_by_payment') }} as refunds on payments.payment_id = refunds.payment_id
