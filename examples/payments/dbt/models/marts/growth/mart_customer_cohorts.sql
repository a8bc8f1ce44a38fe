select
    {{ month_of('activity.first_payment_at') }} as cohort_month,
    {{ month_of('payments.created_at') }} as activity_month,
    count(distinct payments.customer_id) as customers,
    cast(sum(payments.amount_reporting) as numeric(18, 2)) as spend_reporting
from {{ ref('fct_payments') }} as payments
inner join {{ ref('int_customer_activity') }} as activity on payments.customer_id = activity.customer_id
group by 1, 2
