-- The fee of each payment that earned one. Merchants that the registry does not know yet pay the standard tier.
select
    payments.payment_id,
    payments.merchant_id,
    payments.payment_date,
    payments.amount_reporting,
    cast(payments.amount_reporting * fees.percentage + fees.fixed_minor * 0.01 as numeric(18, 2)) as fee_reporting
from {{ ref('int_payments_converted') }} as payments
left join {{ ref('stg_merchants') }} as merchants on payments.merchant_id = merchants.merchant_id
inner join {{ ref('fee_schedule') }} as fees
    on payments.method = fees.method and coalesce(merchants.tier, 'standard') = fees.tier
where payments.status in ('settled', 'captured', 'refunded', 'disputed')
