"""Words that SQL dialects know: reserved ones, columns nobody declares, parts of dates."""


def words_of(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# Dialects where a.b can be a field of the column a, so that an unknown a proves nothing.
FIELDS = words_of(
    """bigquery spark spark2 databricks hive duckdb trino presto athena redshift clickhouse tsql fabric dremio drill
    druid starrocks doris materialize risingwave oracle exasol"""
)

# Dialects where an alias can be used in the SELECT (and often the WHERE) that defines it. Unknown ones are among them.
LATERAL_ALIASES = words_of(
    """snowflake redshift duckdb databricks spark spark2 teradata clickhouse sqlite hive exasol dremio drill doris
    starrocks singlestore"""
)
STRICT_ALIASES = frozenset(("bigquery", "postgres", "trino", "presto", "athena", "tsql", "mysql", "oracle"))

# Dialects that refuse two equal column names in a table or view, and a reference to one of two in a CTE.
UNIQUE_COLUMNS = words_of(
    "bigquery snowflake postgres redshift spark databricks trino presto athena tsql fabric mysql oracle"
)

# Of these, where a reference to one of two equal names is always refused: Spark takes one column named twice for one.
UNIQUE_REFERENCES = UNIQUE_COLUMNS - words_of("spark databricks")

# Where a column of USING is no longer one of a table, so that neither ``t.*`` nor ``t.id`` has it.
USING_TAKES = frozenset(("trino", "presto", "athena"))

# Where what stands in the VALUES of a FROM cannot be a column of another table, nor a text in double quotes.
VALUES_ALONE = frozenset(("trino", "presto", "athena", "snowflake", "postgres", "redshift"))

# Bytes without a digit, which sqlglot takes for a name.
NO_DIGITS = frozenset(("0x", "0b"))

PSEUDO = words_of(
    """_partitiontime _partitiondate _table_suffix _file_name _metadata _change_type _change_timestamp
    _change_sequence_number _commit_version _commit_timestamp rownum rowid level ctid xmin xmax cmin cmax tableoid oid
    _rowid_ filename file_row_number file_index hive_partition connect_by_root connect_by_isleaf nextval currval
    input__file__name block__offset__inside__file $path $partition $file_size $file_modified_time
    ora_rowscn all default true false null unknown sysdate systimestamp user current_user session_user current_role
    current_date current_time current_timestamp localtime localtimestamp current_schema current_catalog
    current_database current_warehouse current_account current_datetime getdate now today uid sqlcode sqlerrm
    sqlstate utc_timestamp utc_date utc_time system_user
    current_path value ordinality offset _col0"""
)

DATE_PARTS = words_of(
    """millennium century decade year years yy yyyy y yr quarter quarters qtr q qq month months mon mm m week weeks w
    ww wk isoweek isoyear iso_week iso_year weekiso yearofweek yearofweekiso dayofweek dayofweekiso dayofyear
    day_of_week day_of_year doy dow isodow dayofmonth day days d dd hour hours hh h minute minutes mi min n second
    seconds ss s sec millisecond milliseconds ms microsecond microseconds us mcs nanosecond nanoseconds ns epoch
    epoch_second epoch_millisecond epoch_microsecond timezone timezone_hour timezone_minute tz date time datetime
    monday tuesday wednesday thursday friday saturday sunday utc both leading trailing json text varchar integer int
    decimal float string boolean number timestamp sql_tsi_day sql_tsi_month"""
)

_BIGQUERY = """all and any array as asc assert_rows_modified at between by case cast collate contains create cross cube
current default define desc distinct else end enum escape except exclude exists extract false fetch following for from
full group grouping groups hash having if ignore in inner intersect interval into is join lateral left like limit lookup
merge natural new no not null nulls of on or order outer over partition preceding proto qualify range recursive respect
right rollup rows select set some struct tablesample then to treat true unbounded union unnest using when where window
with within"""
_REDSHIFT = """all analyse analyze and any array as asc both case cast check collate column constraint create cross
default deferrable desc distinct do else end except false for foreign freeze from full grant group having in initially
inner intersect into is isnull join leading left like limit natural not notnull null offset on only or order outer
overlaps placing primary references right select similar some table tag then to trailing union unique using when where
with"""
_SNOWFLAKE = """all alter and any as between by check column connect create delete distinct drop else exists following
for from grant group having ilike in increment insert intersect into is like minus not null of on or order qualify
regexp revoke rlike row rows sample select set start table tablesample then to trigger union unique update values
whenever where with"""
_TRINO = """alter and as between by case cast constraint create cross cube deallocate delete describe distinct drop else
end escape except execute exists extract false for from full group grouping having in inner insert intersect into is
join left like natural not null on or order outer prepare right rollup select table then true union unnest using values
when where with"""

# What cannot be a bare column. In the second mapping: what cannot be an alias after AS either.
RESERVED = {
    "bigquery": words_of(_BIGQUERY),
    "redshift": words_of(_REDSHIFT),
    "snowflake": words_of(_SNOWFLAKE),
    "trino": words_of(_TRINO),
    "presto": words_of(_TRINO),
    "athena": words_of(_TRINO),
}
RESERVED_ALIASES = {name: words for name, words in RESERVED.items() if name != "redshift"}
RESERVED_ALIASES["snowflake"] = RESERVED["snowflake"] - words_of(
    "start increment row rows sample set trigger connect following values regexp rlike column check grant revoke"
)
