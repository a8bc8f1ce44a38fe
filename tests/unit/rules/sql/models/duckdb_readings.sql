with files as (
    select *, filename, regexp_extract(filename, '(\d{4})', 1)::int as year
    from read_parquet('s3://lake/readings/*/*.parquet', hive_partitioning = true, filename = true)
),
cleaned as (
    from files
    select
        station,
        ts,
        columns('^temp_.*'),
        struct_pack(lat := lat, lon := lon) as place,
        list_filter(flags, f -> f <> 'ok') as problems,
    where not isnan(temp_c)
),
stations as (
    select unnest([{'id': 1, 'name': 'north'}, {'id': 2, 'name': 'south'}], recursive := true)
),
days as (
    select range::date as day from range(date '2026-01-01', current_date, interval 1 day)
),
daily as (
    select
        c.station,
        c.ts::date as day,
        avg(c.temp_c) as mean,
        mean * 9 / 5 + 32 as mean_f,
        max_by(c.place, c.ts).lat as lat,
        histogram(c.temp_c) as spread,
        [x for x in list(c.temp_c) if x > 30] as hot,
        len(hot) as hot_count,
    from cleaned c
    group by all
    having hot_count >= 0
)
select
    days.day,
    s.name,
    d.* exclude (day, lat) replace (round(mean, 1) as mean),
    d.mean - lag(d.mean) over w as change,
    a.label,
from days
left join daily d using (day)
semi join cleaned on cleaned.station = d.station
left join stations s on s.id = d.station
asof left join lake.alerts a on a.station = d.station and a.ts <= days.day
window w as (partition by d.station order by days.day)
qualify row_number() over w = 1 or change is not null
order by all
