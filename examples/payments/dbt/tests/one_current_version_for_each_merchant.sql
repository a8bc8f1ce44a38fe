select merchant_id
from {{ ref('dim_merchant_history') }}
where is_current
group by merchant_id
having count(*) <> 1
