with events as (
    select
        e.user.id as user_id,
        e.event_time,
        to_date(e.event_time) as day,
        e.properties['page'] as page,
        get_json_object(e.body, '$.cart.total') as cart_total,
        from_json(e.body, 'struct<cart:struct<total:double>>').cart.total as total,
        e._metadata.file_path as file,
        "web" as origin
    from lake.events e
    where day >= date_sub(current_date(), 7) and e.kind rlike '^(view|buy)$'
),
tagged as (
    select user_id, day, page, tag, pos
    from events
    lateral view outer posexplode(split(page, '/')) parts as pos, tag
    where tag <> ''
),
sessions as (
    select
        user_id,
        window(event_time, '30 minutes').start as started,
        collect_set(page) as pages,
        transform(collect_list(named_struct('p', page, 't', event_time)), (x, i) -> concat(i, x.p)) as trail,
        aggregate(collect_list(coalesce(total, 0D)), 0D, (acc, v) -> acc + v, acc -> round(acc, 2)) as total,
        count(*) as hits,
        count_if(page like '%checkout%') > 0 as checkout
    from events
    group by user_id, window(event_time, '30 minutes')
),
ranked as (
    select *, dense_rank() over (partition by user_id order by total desc) as r, element_at(pages, 1) as first_page
    from sessions
)
select /*+ broadcast(u) */
    u.id as user_id,
    u.`order`,
    r.started as session_start,
    r.total as session_total,
    session_total * 1.19 as gross,
    size(r.pages) as pages,
    t.n
from ranked r
join lake.users u on u.id = r.user_id
left join (select user_id, count(distinct tag) as n from tagged group by user_id) t on t.user_id = r.user_id
left anti join lake.bots on bots.user_id = r.user_id
where r.r = 1 and not checkout
distribute by u.id
sort by session_start
