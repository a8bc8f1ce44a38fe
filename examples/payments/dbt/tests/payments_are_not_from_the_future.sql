select payment_id from {{ ref('fct_payments') }} where updated_at < created_at or loaded_at < created_at
