-- How well each model version separates the payments that were disputed later.
select
    scores.model_version,
    count(*) as payments,
    sum(case when scores.is_high_risk then 1 else 0 end) as flagged,
    sum(case when payments.status = 'disputed' then 1 else 0 end) as disputed,
    sum(case when scores.is_high_risk and payments.status = 'disputed' then 1 else 0 end) as caught,
    {{ share("sum(case when scores.is_high_risk and payments.status = 'disputed' then 1 else 0 end)",
             "sum(case when payments.status = 'disputed' then 1 else 0 end)") }} as recall
from {{ ref('fct_fraud_scores') }} as scores
inner join {{ ref('stg_payments') }} as payments on scores.payment_id = payments.payment_id
group by scores.model_version
