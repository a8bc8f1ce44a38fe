select
    dbt_scd_id as merchant_version_id,
    merchant_id,
    merchant_name,
    country_code,
    category_code,
    tier,
    is_active,
    dbt_valid_from as valid_from,
    dbt_valid_to as valid_to,
    dbt_valid_to is null as is_current
from {{ ref('snap_merchants') }}
