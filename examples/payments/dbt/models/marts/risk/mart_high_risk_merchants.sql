select
    risk.merchant_id,
    classified.merchant_name,
    classified.risk_class,
    risk.payments,
    risk.high_risk_payments,
    risk.chargebacks,
    risk.average_score,
    {{ share('risk.high_risk_payments', 'risk.payments') }} as high_risk_share
from {{ ref('int_merchant_risk') }} as risk
left join {{ ref('int_merchants_classified') }} as classified on risk.merchant_id = classified.merchant_id
where risk.high_risk_payments > 0 or classified.risk_class = 'high'
