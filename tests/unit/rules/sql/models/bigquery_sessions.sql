-- A GA4-like model: nested and repeated fields, wildcard tables, names that are keywords after a dot.
create temp function channel(source string, medium string) as (
  case when medium = 'cpc' then 'paid' when source is null then 'direct' else 'organic' end
);

with
raw as (
  select
    *,
    parse_date('%Y%m%d', event_date) as day,
    (select value.int_value from unnest(event_params) where key = 'ga_session_id') as session_number,
    (select p.value.string_value from unnest(event_params) as p where p.key = 'page_location' limit 1) as page,
  from `shop-prod.analytics_1234.events_*`
  where _table_suffix between format_date('%Y%m%d', date_sub(current_date(), interval 3 day)) and '20991231'
    and not starts_with(_table_suffix, 'intraday')
),
hits as (
  select
    raw.user_pseudo_id,
    raw.session_number,
    to_hex(md5(concat(user_pseudo_id, cast(session_number as string)))) as session_id,
    raw.day,
    raw.traffic_source.source,
    traffic_source.medium,
    raw.device.`group` as device_group,
    raw.device.language,
    item.item_id,
    item.price * coalesce(item.quantity, 1) as value,
    offset as position,
    timestamp_micros(event_timestamp) as ts,
    page,
  from raw
  left join unnest(items) as item with offset
  where event_name in ('page_view', 'purchase', "add_to_cart")
),
sessions as (
  select
    session_id,
    any_value(user_pseudo_id) as user_id,
    min(ts) as started_at,
    max(ts) as ended_at,
    array_agg(struct(page, ts) order by ts asc limit 1)[safe_offset(0)].page as landing_page,
    array_agg(distinct item_id ignore nulls) as item_ids,
    channel(any_value(source), any_value(medium)) as channel,
    sum(value) as value,
    count(*) as hits,
    countif(position = 0) as firsts,
    logical_or(page like '%/checkout%') as saw_checkout,
  from hits
  group by session_id
  having hits > 1
),
days as (
  select day from unnest(generate_date_array('2026-01-01', current_date(), interval 1 day)) as day
),
ranked as (
  select
    s.*,
    date(s.started_at, 'Europe/Berlin') as day,
    row_number() over by_user as nth,
    lag(s.ended_at) over by_user as previous_end,
    timestamp_diff(s.started_at, lag(s.ended_at) over (partition by s.user_id order by s.started_at), minute) as gap,
  from sessions as s
  window by_user as (partition by s.user_id order by s.started_at)
)
select
  days.day,
  r.channel,
  count(r.session_id) as sessions,
  safe_divide(sum(r.value), count(distinct r.user_id)) as value_per_user,
  approx_quantiles(r.gap, 100)[offset(50)] as median_gap,
  array(select as struct c.name, c.rank from unnest([struct('a' as name, 1 as rank), ('b', 2)]) as c) as labels,
  (select count(1) from unnest(array_concat_agg(r.item_ids))) as items,
from days
left join ranked as r using (day)
where nth is null or nth < 100
group by day, r.channel
qualify row_number() over (partition by days.day order by sessions desc) <= 10
order by days.day, sessions desc
