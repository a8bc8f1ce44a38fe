select
    cast(merchants.merchant_id as varchar) as merchant_id,
    cast(merchants.merchant_name as varchar) as merchant_name,
    cast(merchants.country_code as varchar) as country_code,
    cast(merchants.region as varchar) as region,
    cast(merchants.category_name as varchar) as category_name,
    cast(merchants.risk_class as varchar) as risk_class,
    cast(merchants.tier as varchar) as tier,
    merchants.is_active,
    merchants.onboarded_at,
    merchants.updated_at
from {{ ref('int_merchants_classified') }} as merchants
