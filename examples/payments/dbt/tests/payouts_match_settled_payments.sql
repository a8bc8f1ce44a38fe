select payout_id, break_minor from {{ ref('mart_payout_reconciliation') }} where break_minor <> 0
