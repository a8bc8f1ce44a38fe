select
    merchant_id,
    trim(merchant_name) as merchant_name,
    country_code,
    category_code,
    tier,
    is_active,
    onboarded_at,
    updated_at,
    loaded_at
from {{ source('raw', 'merchants') }}
