select
    customer_id,
    country_code,
    segment,
    kyc_status,
    kyc_status = 'verified' as is_verified,
    created_at,
    updated_at,
    loaded_at
from {{ source('raw', 'customers') }}
