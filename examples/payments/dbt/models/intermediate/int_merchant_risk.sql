select
    payments.merchant_id,
    count(*) as payments,
    sum(case when scores.score >= {{ var('high_risk_score') }} then 1 else 0 end) as high_risk_payments,
    sum(coalesce(chargebacks.chargebacks, 0)) as chargebacks,
    cast(avg(scores.score) as numeric(8, 4)) as average_score
from {{ ref('stg_payments') }} as payments
left join {{ ref('stg_fraud_scores') }} as scores on payments.payment_id = scores.payment_id
left join {{ ref('int_chargebacks_by_payment') }} as chargebacks on payments.payment_id = chargebacks.payment_id
group by payments.merchant_id
