/* {"app": "dbt", "node_id": "model.shop.fct_orders"} */
with recursive categories as (
    select id, parent_id, name, 1 as depth, array[id] as path
    from catalog.categories
    where parent_id is null
    union all
    select child.id, child.parent_id, child.name, categories.depth + 1, categories.path || child.id
    from catalog.categories as child
    join categories on categories.id = child.parent_id
    where not child.id = any (categories.path)
),
lines as (
    select
        l.order_id,
        l.position,
        l.data ->> 'sku' as sku,
        (l.data -> 'price' ->> 'cents')::int / 100.0 as price,
        (l.data #>> '{tax,rate}')::numeric(5, 2) as tax_rate,
        attribute.key as attribute,
        attribute.value #>> '{}' as attribute_value,
        c.path[1] as top_category
    from shop.order_lines as l
    cross join lateral jsonb_each(l.data -> 'attributes') as attribute
    left join categories as c on c.id = (l.data ->> 'category')::bigint
),
payments as (
    select
        p.order_id,
        max(p.paid_at) filter (where p.state = 'captured') as paid_at,
        string_agg(distinct p.method, ', ' order by p.method) as methods,
        percentile_cont(0.5) within group (order by p.amount) as median_amount,
        count(*),
        sum(p.amount)
    from shop.payments p
    group by p.order_id
),
calendar as (
    select day::date as day, extract(isodow from day) as weekday
    from generate_series(date '2025-01-01', current_date, interval '1 day') as day
),
orders as (
    select distinct on (o.id)
        o.id,
        o.customer_id,
        o."user",
        o.placed_at at time zone 'Europe/Berlin' as placed_at,
        date_trunc('day', o.placed_at)::date as day,
        row_number() over w as nth,
        o.placed_at - lag(o.placed_at) over w as since_last,
        exists (select 1 from shop.returns r where r.order_id = o.id and r.created_at > o.placed_at) as returned
    from shop.orders o
    window w as (partition by o.customer_id order by o.placed_at)
    order by o.id, o.updated_at desc
)
select
    orders.id,
    calendar.day,
    calendar.weekday in (6, 7) as weekend,
    payments.*,
    lines_of.total,
    lines_of.skus [1:3] as first_skus,
    coalesce(orders.nth, 0) + 1 as nth,
    case orders.returned when true then 'returned' else 'kept' end as state
from calendar
left join orders using (day)
left join payments on payments.order_id = orders.id
left join lateral (
    select sum(lines.price * (1 + tax_rate)) as total, array_agg(sku order by lines.position) as skus
    from lines
    where lines.order_id = orders.id and nth > 0
) as lines_of on true
where day >= '2026-01-01' and (orders.since_last is null or since_last > interval '1 hour')
