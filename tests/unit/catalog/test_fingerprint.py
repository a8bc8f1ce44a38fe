import ast
import io
import json
import random
import subprocess
import sys
import threading
import time
import tokenize
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.catalog import fingerprint
from interlock.catalog.fingerprint import (
    FingerprintCache,
    combine,
    data_part,
    jinja_sql_part,
    python_part,
    sql_part,
    yaml_part,
)

DAG = b'''"""Orders.

    Daily.
"""
import os  # for the folder
from airflow import DAG

LIMIT = 1_000
def build(name, *, retries=None, **rest):
    """Build one."""
    global COUNT
    with DAG(dag_id=name, schedule="@daily") as dag: return {**rest, "a": f"{name!r:>{LIMIT}} x" "y", None: -0.0}
'''
DAG_REFORMATTED = b"""'''Orders.

Daily.   
'''

import os

from airflow import DAG

LIMIT = 1000


def build(
    name,
    *,
    retries=None,
    **rest,
):
    # a comment
    '''Build one.'''
    global COUNT
    with DAG(
        dag_id=name,
        schedule='@daily',
    ) as dag:
        return {
            **rest,
            'a': (f"{name!r:>{LIMIT}} x" 'y'),
            None: -0.0,
        }
"""


def test_reformatted_python_is_the_same() -> None:
    assert python_part(DAG) == python_part(DAG_REFORMATTED)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Daily.", b"Hourly."),
        (b"1_000", b"1_001"),
        (b"1_000", b"1_000.0"),
        (b'"@daily"', b'"@hourly"'),
        (b'"@daily"', b"None"),
        (b"retries=None", b"retries=0"),
        (b"*, retries", b"retries"),
        (b"import os", b"import io"),
        (b"-0.0", b"0.0"),
        (b"!r", b"!s"),
        (b'"a"', b'b"a"'),
        (b"global COUNT", b"COUNT"),
        (b"with DAG", b"async_ = 1; DAG"),
        (b"from airflow", b"from .airflow"),
    ],
)
def test_each_change_of_python_is_seen(old: bytes, new: bytes) -> None:
    changed = DAG.replace(old, new)
    assert changed != DAG
    assert python_part(changed) != python_part(DAG)


def test_true_is_not_one_and_a_docstring_is_not_a_string() -> None:
    sources = (b"x = 1", b"x = True", b"x = '1'", b"x = b'1'", b"x = 1.0", b"x = 1j", b"x = ...", b"x = None")
    assert len({python_part(s) for s in sources}) == len(sources)
    assert python_part(b"'a'") != python_part(b"1\n'a'")
    assert python_part(b"[1], [2]") != python_part(b"[1, [2]]")
    assert python_part(b"f(a)(b)") != python_part(b"f(a, b)")


def test_python_that_cannot_be_parsed_counts_by_its_bytes() -> None:
    for source in (b"def f(:\n", b"x = '\xff'\n", b"a\0b", b"(" * 5000):
        assert python_part(source) == data_part(source)


def test_deeply_nested_python_is_hashed() -> None:
    assert python_part(b"x = " + b" + ".join([b"1"] * 2000)) != python_part(b"x = " + b" + ".join([b"1"] * 2001))


@pytest.mark.parametrize(
    "name", ["argparse", "ast", "dataclasses", "enum", "inspect", "typing", "json/decoder", "asyncio/tasks"]
)
def test_real_modules_survive_being_written_anew(name: str) -> None:
    source = (Path(ast.__file__).parent / f"{name}.py").read_bytes()
    anew = ast.unparse(ast.parse(source)).encode()
    assert b"#" in source
    assert python_part(source) == python_part(anew)


_MODULE = (Path(ast.__file__).parent / "textwrap.py").read_text()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_one_changed_token_of_a_module_is_seen(seed: int) -> None:
    tokens = list(tokenize.generate_tokens(io.StringIO(_MODULE).readline))
    names = [t for t in tokens if t.type == tokenize.NAME and t.string.isidentifier() and len(t.string) > 6]
    token = random.Random(seed).choice(names)
    lines = _MODULE.splitlines(keepends=True)
    line = lines[token.start[0] - 1]
    lines[token.start[0] - 1] = line[: token.start[1]] + token.string + "_" + line[token.end[1] :]
    assert python_part("".join(lines).encode()) != python_part(_MODULE.encode())


SQL = "select a b, Count(*) as n, 'It -- is' x -- hi\nfrom s.x left outer join y on a!=1 order by a asc, b desc;"
SQL_REFORMATTED = """/* the orders */
SELECT
    a AS b,
    count(*) AS n,
    'It -- is' AS x
FROM s.x
LEFT JOIN y
    ON a <> 1
ORDER  BY a, b DESC
"""


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "spark", "snowflake", "bigquery", ""])
def test_reformatted_sql_is_the_same(dialect: str) -> None:
    lower = SQL if dialect != "bigquery" else SQL.replace("Count", "count")
    assert sql_part(lower, dialect) == sql_part(SQL_REFORMATTED, dialect)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'It -- is'", "'it -- is'"),
        ("'It -- is'", "'It  -- is'"),
        ("left outer", ""),
        ("b desc", "b"),
        ("a!=1", "a!=2"),
        ("a!=1", "a=1"),
        ("s.x", '"s.x"'),
        ("order by a asc", "order by a asc nulls first"),
        ("count(*)", "count(a)"),
        ("select", "select distinct"),
        ("as n", "as m"),
        ("from s.x", "from s.x tablesample bernoulli (10)"),
    ],
)
def test_each_change_of_sql_is_seen(dialect: str, old: str, new: str) -> None:
    changed = SQL.replace("Count", "count").replace(old, new)
    assert changed != SQL
    assert sql_part(changed, dialect) != sql_part(SQL, dialect)


def test_an_alias_is_not_lost() -> None:
    assert sql_part("select a as b from t", "duckdb") != sql_part("select a from t", "duckdb")
    assert sql_part("select a b from t", "duckdb") != sql_part("select a, b from t", "duckdb")
    assert sql_part('select "A" from t', "postgres") != sql_part("select A from t", "postgres")
    assert sql_part("select A from t", "postgres") == sql_part("select a from t", "postgres")


def test_a_hint_counts_though_it_looks_like_a_comment() -> None:
    assert sql_part("select /*+ broadcast(a) */ 1 from a", "spark") != sql_part("select 1 from a", "spark")


def test_signs_that_touch_are_another_operator() -> None:
    assert sql_part("select a @- b", "postgres") != sql_part("select a @ - b", "postgres")
    assert sql_part("select a=-1", "postgres") == sql_part("select a = -1", "postgres")


def test_sql_that_no_tokenizer_reads_counts_by_its_text() -> None:
    assert sql_part("select 'open", "duckdb") != sql_part("select 'opened", "duckdb")
    assert sql_part("select 'open", "duckdb") == sql_part("  select 'open\n", "duckdb")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([" ", "\n", "\t ", " /* c */ ", " -- c\n"]), min_size=12, max_size=12))
def test_any_blank_or_comment_between_words_is_idle(blanks: list[str]) -> None:
    words = ["SELECT", "a", ",", "sum", "(", "b", ")", "FROM", "t", "WHERE", "a", "> 1"]
    text = "".join(word + blank for word, blank in zip(words, blanks, strict=True))
    assert sql_part(text, "duckdb") == sql_part(" ".join(words), "duckdb")


MODEL = (
    "{{ config(materialized='table') }}\nselect {{ a }}_x, 'two  blanks' -- hi\nfrom  {{ ref('x') }}{# no #} where b"
)


def test_a_reformatted_model_is_the_same() -> None:
    again = "{{  config(materialized='table')\n}}\n\n/* hi */ select {{ a }}_x, 'two  blanks'\n"
    again += "from {{ ref('x') }} where b\n"
    assert jinja_sql_part(MODEL) == jinja_sql_part(again) == sql_part(again, "duckdb")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("}}_x", "}} _x"),
        ("'two  blanks'", "'two blanks'"),
        ("'table'", "'view'"),
        ("-- hi", "-- {{ ref('y') }}"),
        ("{# no #}", " and"),
        ("from", "From"),
        ("-- hi", "{%- if x %} y {%- endif %}"),
        ("{# no #}", "{#- no -#}"),
    ],
)
def test_each_change_of_a_model_is_seen(old: str, new: str) -> None:
    assert jinja_sql_part(MODEL.replace(old, new)) != jinja_sql_part(MODEL)


def test_quotes_inside_jinja_inside_quotes_do_not_end_the_text() -> None:
    one = "select '{{ var('d') }}  -- kept' from t"
    assert jinja_sql_part(one) != jinja_sql_part(one.replace("kept", "dropped"))
    assert jinja_sql_part(one) == jinja_sql_part(one.replace(" from", "\n  from"))


def test_reformatted_yaml_is_the_same() -> None:
    one = b"models:\n  - name: orders # c\n    tests: [unique, not_null]\n"
    two = b'# c\n"models":\n- {name: "orders", tests: ["unique", \'not_null\']}\n'
    assert yaml_part(one) == yaml_part(two)


@pytest.mark.parametrize(
    "new", [b"a: '1'", b"a: 1.0", b"a: 2", b"a: true", b"a: [1]", b"b: 1", b"a: !x 1", b"a:\n  1: "]
)
def test_each_change_of_yaml_is_seen(new: bytes) -> None:
    assert yaml_part(new) != yaml_part(b"a: 1")


def test_a_yaml_bomb_is_not_expanded_and_broken_yaml_counts_by_its_bytes() -> None:
    levels = range(1, 40)
    bomb = b"a0: &a0 [x]\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in levels
    )
    started = time.process_time()
    assert len(yaml_part(bomb)) == 64
    assert time.process_time() - started < 2
    assert yaml_part(b"a: [") == data_part(b"a: [")
    assert yaml_part(b"\xff\xfe\xff") == data_part(b"\xff\xfe\xff")


def test_combined_parts_tell_names_and_values_apart() -> None:
    assert combine({"a": "1", "b": "2"}) == combine({"b": "2", "a": "1"})
    assert combine({"a": "1", "b": "2"}) != combine({"a": "2", "b": "1"})


def test_hash_seed_and_locale_change_no_part() -> None:
    code = (
        "import sys, json; from interlock.catalog.fingerprint import *;"
        "source = open(ast.__file__, 'rb').read();"
        "print(json.dumps([python_part(source), sql_part(sys.argv[1], 'duckdb'), yaml_part(b'a: 1')]))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", "import ast;" + code, SQL],
            env={"PYTHONHASHSEED": seed, "LC_ALL": locale, "PATH": ""},
            capture_output=True,
            check=True,
        ).stdout
        for seed, locale in (("0", "C"), ("1", "C.UTF-8"), ("77", "POSIX"))
    }
    assert len(found) == 1 and len(json.loads(found.pop())) == 3


def test_a_file_that_is_known_is_not_looked_at_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [DAG + b"x = %d\n" % i for i in range(200)]
    with FingerprintCache(tmp_path / "cache" / "parts.db") as cache:
        cold = [cache.python(f) for f in files]
    assert cold == [python_part(f) for f in files]
    monkeypatch.setattr(fingerprint, "python_part", lambda source: pytest.fail("computed again"))
    with FingerprintCache(tmp_path / "cache" / "parts.db") as cache:
        assert [cache.python(f) for f in files] == cold


def test_a_broken_cache_is_done_without(tmp_path: Path) -> None:
    path = tmp_path / "parts.db"
    path.write_bytes(b"no database at all" * 100)
    with FingerprintCache(path) as cache:
        assert cache.python(DAG) == python_part(DAG)
    with FingerprintCache(path) as cache:
        assert cache.sql(SQL, "duckdb") == sql_part(SQL, "duckdb")
    assert FingerprintCache(path)._known.keys() >= {f"sql-duckdb:{data_part(SQL.encode())}"}
    blocked = tmp_path / "file" / "parts.db"
    blocked.parent.write_text("not a folder")
    with FingerprintCache(blocked) as cache:
        assert cache.python(DAG) == python_part(DAG)


def test_threads_share_a_cache(tmp_path: Path) -> None:
    cache = FingerprintCache(tmp_path / "parts.db")
    found: list[str] = []

    def work() -> None:
        for i in range(50):
            found.append(cache.file("x.yml", b"a: %d" % i))
        cache.flush()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 400 and len(set(found)) == 50
    assert len(FingerprintCache(tmp_path / "parts.db")._known) == 50


def test_files_are_hashed_by_their_kind(tmp_path: Path) -> None:
    cache = FingerprintCache(None)
    assert cache.file("a.py", b"x=1") == python_part(b"x = 1")
    assert cache.file("a.yaml", b"x: 1") == yaml_part(b"x:  1")
    assert cache.file("a.sql", b"select  1") == jinja_sql_part("select 1")
    assert cache.file("a.sql", b"\xff") == data_part(b"\xff")
    assert cache.file("a.csv", b"1") == data_part(b"1")
