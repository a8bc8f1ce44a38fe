select
    customers.customer_id,
    customers.segment,
    customers.region,
    activity.payments,
    cast(activity.spend_reporting as numeric(18, 2)) as spend_reporting,
    ntile(10) over (order by activity.spend_reporting desc, customers.customer_id) as value_decile
from {{ ref('dim_customers') }} as customers
inner join {{ ref('int_customer_activity') }} as activity on customers.customer_id = activity.customer_id
