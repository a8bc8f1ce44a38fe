select
    classified.category_name,
    classified.risk_class,
    sum(risk.payments) as payments,
    sum(risk.chargebacks) as chargebacks,
    {{ share('sum(risk.chargebacks)', 'sum(risk.payments)') }} as chargeback_rate
from {{ ref('int_merchant_risk') }} as risk
inner join {{ ref('int_merchants_classified') }} as classified on risk.merchant_id = classified.merchant_id
group by classified.category_name, classified.risk_class
