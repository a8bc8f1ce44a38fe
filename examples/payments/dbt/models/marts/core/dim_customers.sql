select
    customers.customer_id,
    customers.country_code,
    regions.region,
    customers.segment,
    customers.kyc_status,
    customers.is_verified,
    customers.created_at,
    activity.first_payment_at,
    activity.last_payment_at,
    coalesce(activity.payments, 0) as payments
from {{ ref('stg_customers') }} as customers
left join {{ ref('country_regions') }} as regions on customers.country_code = regions.country_code
left join {{ ref('int_customer_activity') }} as activity on customers.customer_id = activity.customer_id
