select
    merchants.merchant_id,
    merchants.merchant_name,
    merchants.tier,
    merchants.region,
    sum(daily.payments) as payments,
    cast(sum(daily.volume_reporting) as numeric(18, 2)) as volume_reporting,
    {{ share('sum(daily.failed_payments)', 'sum(daily.payments)') }} as failure_rate,
    max(risk.average_score) as average_score
from {{ ref('dim_merchants') }} as merchants
inner join {{ ref('fct_merchant_daily') }} as daily on merchants.merchant_id = daily.merchant_id
left join {{ ref('int_merchant_risk') }} as risk on merchants.merchant_id = risk.merchant_id
group by merchants.merchant_id, merchants.merchant_name, merchants.tier, merchants.region
