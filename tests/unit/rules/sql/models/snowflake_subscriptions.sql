with source as (

    select * from raw.stripe.subscription

), renamed as (

    select
        id as subscription_id,
        "_FIVETRAN_SYNCED" as synced_at,
        customer as customer_id,
        status,
        data:plan:amount::number(18, 2) / 100 as amount,
        data:plan.interval::varchar as billing_period,
        data['discount']['coupon']::string as coupon,
        to_timestamp_ntz(created) as created_at,
        to_timestamp_ntz(nullif(canceled_at, 0)) as ended_at,
        iff(ended_at is null, 'active', 'ended') as state,
        coalesce(ended_at, current_timestamp)::date as last_day,
        row_number() over (partition by id order by synced_at desc) as rn
    from source
    where not coalesce(_fivetran_deleted, false)
    qualify rn = 1

), calendar as (

    select dateadd(month, seq4(), '2020-01-01'::date) as month, row_number() over (order by null) as n
    from table(generator(rowcount => 120))
    qualify month <= date_trunc(month, current_date)

), items as (

    select
        s.id as subscription_id,
        i.index as position,
        i.value:price:id::string as price_id,
        i.value:quantity::int as quantity,
        t.value::string as tag,
        t.seq
    from source s,
        lateral flatten(input => s.data:items, outer => true) i,
        lateral flatten(input => i.value:tags, outer => true) t

), item_counts as (

    select subscription_id, count(distinct price_id) as prices, listagg(distinct tag, '|') within group (order by tag) as tags
    from items
    group by all

), monthly as (

    select
        c.month,
        r.subscription_id,
        r.customer_id,
        r.amount * decode(r.billing_period, 'year', 1 / 12, 'month', 1, 'week', 52 / 12) as mrr,
        lag(mrr, 1, 0) over (partition by r.subscription_id order by c.month) as previous_mrr,
        mrr - previous_mrr as change,
        case
            when previous_mrr = 0 and mrr > 0 then 'new'
            when change > 0 then 'expansion'
            when change < 0 and mrr > 0 then 'contraction'
            else 'churn'
        end as movement
    from calendar c
    join renamed r
        on c.month >= date_trunc('month', r.created_at)
        and c.month <= r.last_day

), final as (

    select
        md5(cast(coalesce(cast(month as text), '_null_') || '-' || coalesce(cast(subscription_id as text), '_null_') as text)) as key,
        monthly.* exclude (previous_mrr) rename (change as mrr_change),
        item_counts.prices,
        item_counts.tags,
        conditional_true_event(movement = 'new') over (partition by customer_id order by month) as starts
    from monthly
    left join item_counts using (subscription_id)

)

select * from final
where mrr_change <> 0 and movement in ('new', 'churn', 'expansion', 'contraction')
