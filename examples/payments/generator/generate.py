"""Deterministic data of a payments company, at a chosen scale.

The same seed, number of rows and as-of time give the same tables, on DuckDB and on PostgreSQL: every value is computed
by integer arithmetic in SQL that both engines read alike, so the engine does the work and not Python, row by row.

    python generator/generate.py --rows 10000 --warehouse duckdb:warehouse.duckdb
    python generator/generate.py --rows 10000 --warehouse "postgres:host=127.0.0.1 dbname=payments user=me"
    python generator/generate.py --rows 10000 --files landing/

Needs `duckdb` for DuckDB and for files; `psycopg` or `psycopg2` for PostgreSQL.
"""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tables

Execute = Callable[[str], Any]


def main(argv: list[str] | None = None) -> int:
    """Write the tables (and the files) that the arguments ask for; 0 when all is written."""
    args = _parser().parse_args(argv)
    plan = tables.Plan(rows=args.rows, seed=args.seed, as_of=args.as_of, days=args.days)
    started = time.monotonic()
    if args.warehouse:
        with _connect(args.warehouse) as execute:
            write(execute, plan, progress=args.verbose)
    if args.files:
        with _connect("duckdb::memory:") as execute:
            write(execute, plan, progress=args.verbose)
            write_files(execute, Path(args.files))
    if not (args.warehouse or args.files):
        print("nothing to write: give --warehouse, --files, or both", file=sys.stderr)
        return 2
    print(f"{plan.rows} payments as of {plan.as_of:%Y-%m-%d %H:%M} in {time.monotonic() - started:.1f} s")
    return 0


def write(execute: Execute, plan: tables.Plan, progress: bool = False) -> None:
    """Replace every table of the schema `raw`; tables that other objects read are emptied and refilled in place."""
    execute("create schema if not exists raw")
    for name, query in tables.queries(plan):
        began = time.monotonic()
        existing = execute(
            f"select count(*) from information_schema.tables where table_schema = 'raw' and table_name = '{name}'"
        )
        # Views of the staging layer hang on these tables in PostgreSQL, so they are never dropped.
        if existing and existing[0][0]:
            execute(f"delete from raw.{name}")
            execute(f"insert into raw.{name} {query}")
        else:
            execute(f"create table raw.{name} as {query}")
        if progress:
            print(f"  raw.{name}: {time.monotonic() - began:.1f} s", file=sys.stderr)


def write_files(execute: Execute, folder: Path, stream_files: int = 4, stream_events: int = 20_000) -> None:
    """Write what the Spark jobs read: `<table>/part-0.csv` for each table, `payment_stream/*.json` for the stream."""
    for name in tables.FILE_TABLES:
        target = folder / name
        target.mkdir(parents=True, exist_ok=True)
        path = str(target / "part-0.csv").replace("'", "''")
        execute(f"copy (select * from raw.{name} order by 1) to '{path}' (format csv, header)")
    stream = folder / "payment_stream"
    stream.mkdir(parents=True, exist_ok=True)
    rows = execute(tables.stream_query(stream_events))
    share = max(1, -(-len(rows) // stream_files))
    for part in range(0, len(rows), share):
        with (stream / f"events-{part // share:03d}.json").open("w", encoding="utf-8") as out:
            for row in rows[part : part + share]:
                out.write(json.dumps(dict(zip(tables.STREAM_FIELDS, row, strict=True))) + "\n")


@contextlib.contextmanager
def _connect(warehouse: str) -> Iterator[Execute]:
    kind, _, where = warehouse.partition(":")
    if kind == "duckdb" and where:
        import duckdb

        if where != ":memory:":
            Path(where).parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(where, config={"autoinstall_known_extensions": "false"}) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute("begin")
            yield lambda sql: connection.execute(sql).fetchall()
            connection.execute("commit")
    elif kind == "postgres" and where:
        try:
            import psycopg as driver
        except ImportError:
            import psycopg2 as driver  # type: ignore[no-redef]
        connection = driver.connect(where)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("set local timezone to 'UTC'")

                def execute(sql: str) -> list[tuple[Any, ...]]:
                    cursor.execute(sql)
                    return list(cursor.fetchall()) if cursor.description else []

                yield execute
        finally:
            connection.close()
    else:
        raise SystemExit(f"--warehouse {warehouse!r}: expected duckdb:PATH or postgres:DSN")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _count(text: str) -> int:
    rows = int(text.replace("_", ""))
    if not 100 <= rows <= 100_000_000:
        raise argparse.ArgumentTypeError("between 100 and 100000000")
    return rows


def _parser() -> argparse.ArgumentParser:
    now = datetime.now(UTC).replace(tzinfo=None, minute=0, second=0, microsecond=0)
    parser = argparse.ArgumentParser(description="Write the payments company's raw data, always the same.")
    parser.add_argument("--rows", type=_count, default=10_000, help="payments (10000)")
    parser.add_argument("--warehouse", help="duckdb:PATH or postgres:DSN")
    parser.add_argument("--files", help="folder for the Spark jobs' input")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--as-of", type=_moment, default=now, help="the moment of the newest row, UTC (this hour)")
    parser.add_argument("--days", type=int, default=90, help="days of history before --as-of (90)")
    parser.add_argument("-v", "--verbose", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
