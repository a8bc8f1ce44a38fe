{% snapshot snap_merchants %}
{{ config(unique_key='merchant_id', strategy='timestamp', updated_at='updated_at') }}
select merchant_id, merchant_name, country_code, category_code, tier, is_active, updated_at
from {{ ref('stg_merchants') }}
{% endsnapshot %}
