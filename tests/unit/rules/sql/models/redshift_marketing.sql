with spend as (
    select trunc(convert_timezone('UTC', 'Europe/Berlin', s.ts)) as day, s.campaign, s.channel, sum(s.cost) as cost
    from ads.spend s
    where s.ts >= dateadd(day, -90, getdate()) and s.ts < sysdate
    group by 1, 2, 3
),
clicks as (
    select
        c.click_id,
        c.campaign,
        c.ts::date as day,
        json_extract_path_text(c.props, 'utm', 'source', true) as source,
        nvl(nullif(regexp_replace(lower(c.keyword), '[^a-z]', ''), ''), 'none') as keyword_clean,
        keyword_clean || '/' || source as label,
        a.name as attribute,
        a.value::varchar as attribute_value
    from ads.clicks c, c.attributes a
    where label <> 'none/'
),
numbers as (
    select row_number() over (order by 1) as n from stl_scan limit 100
),
attributed as (
    select
        o.order_id,
        o.amount,
        cl.campaign,
        cl.day,
        row_number() over (partition by o.order_id order by cl.ts desc nulls last) as nth,
        ratio_to_report(o.amount) over (partition by cl.campaign) as share,
        first_value(cl.source ignore nulls) over (
            partition by o.order_id order by cl.ts rows between unbounded preceding and unbounded following
        ) as first_source
    from shop.orders o
    left join (select *, day::timestamp as ts from clicks) cl
        on cl.click_id = o.click_id and cl.ts between dateadd('day', -30, o.created_at) and o.created_at
)
select
    spend.day,
    spend.channel,
    listagg(distinct attributed.first_source, ',') within group (order by attributed.first_source) as sources,
    count(distinct order_id) as orders,
    sum(amount * share) as attributed_amount,
    attributed_amount / nullif(max(spend.cost), 0) as roas,
    median(amount) as median_amount,
    decode(spend.channel, 'cpc', 1, 0) as paid
from spend
left join attributed on attributed.day = spend.day and attributed.campaign = spend.campaign and nth = 1
where exists (select 1 from numbers where numbers.n = extract(day from spend.day))
group by spend.day, channel
order by 1, orders desc
