select
    merchants.merchant_id,
    merchants.merchant_name,
    merchants.country_code,
    regions.region,
    merchants.category_code,
    categories.category_name,
    categories.risk_class,
    merchants.tier,
    merchants.is_active,
    merchants.onboarded_at,
    merchants.updated_at
from {{ ref('stg_merchants') }} as merchants
left join {{ ref('merchant_categories') }} as categories on merchants.category_code = categories.category_code
left join {{ ref('country_regions') }} as regions on merchants.country_code = regions.country_code
