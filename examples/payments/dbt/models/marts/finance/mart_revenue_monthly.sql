select
    {{ month_of('fees.payment_date') }} as revenue_month,
    cast(coalesce(merchants.region, 'unknown') as varchar) as region,
    cast(coalesce(merchants.tier, 'unknown') as varchar) as tier,
    count(*) as payments,
    cast(sum(fees.amount_reporting) as numeric(18, 2)) as volume_reporting,
    cast(sum(fees.fee_reporting) as numeric(18, 2)) as fees_reporting
from {{ ref('int_fees') }} as fees
left join {{ ref('dim_merchants') }} as merchants on fees.merchant_id = merchants.merchant_id
group by 1, 2, 3
