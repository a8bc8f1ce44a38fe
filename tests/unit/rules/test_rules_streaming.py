"""How streaming queries are read from the text: through variables, functions and conditions; and from odd files."""

import json

import pytest

from interlock.rules.files import SourceFile
from interlock.rules.rule_streaming import check_queries, has_conf
from interlock.rules.streaming_queries import facts_of, queries_of

SOURCE = 'from pyspark.sql import functions as F\nevents = spark.readStream.format("kafka").load()\n'


def queries(text: str):
    return queries_of(SourceFile("jobs/a.py", (SOURCE + text).encode()))


def rules(text: str) -> list[str]:
    return [one.rule for one in check_queries(SourceFile("jobs/a.py", (SOURCE + text).encode()))]


def test_a_chain_is_followed_through_names_that_are_given_again() -> None:
    [one] = queries(
        'df = events.withWatermark("ts", "1 hour")\ndf = df.groupBy(F.window("ts", "5 minutes"), F.col("a")).count()\n'
        'w = df.writeStream.outputMode("Update")\nw = w.option("checkpointlocation", "/c")\nq = w.toTable("t")\n'
    )
    assert (one.format, one.mode, one.checkpoint, one.sources, one.opaque) == ("table", "update", "/c", 1, False)
    assert one.watermarks == ["'ts', '1 hour'"]
    assert one.operators == [["groupBy", "window(ts, 5 minutes) | a", "count()"]]


def test_what_a_function_or_a_condition_decides_is_not_seen() -> None:
    assert queries("prepared(events).writeStream.start()\n")[0].opaque
    assert queries("def run(events):\n    events.writeStream.start()\n")[0].opaque
    assert queries("x = events\nif y:\n    x = events.limit(1)\nx.writeStream.start()\n")[0].opaque
    assert queries("events.transform(f).writeStream.start()\n")[0].opaque
    assert not queries("if __name__ == '__main__':\n    x = events\n    x.writeStream.start()\n")[0].opaque


def test_constants_are_literals_and_what_is_computed_is_not() -> None:
    [one] = queries('WHERE = "/c"\nevents.writeStream.option("checkpointLocation", WHERE).start()\n')
    assert one.checkpoint == "/c"
    [one] = queries('events.writeStream.option("checkpointLocation", root + "/c").start()\n')
    assert (one.checkpoint, one.checkpoint_text) == ("", "root + '/c'")
    [one] = queries("events.writeStream.options(**settings).start()\n")
    assert one.checkpoint_text == "?"
    [one] = queries('events.writeStream.start("/out", format="json", checkpointLocation="/c")\n')
    assert (one.format, one.checkpoint) == ("json", "/c")


INNOCENT = [
    "threading.Thread(target=f).start()\n",
    'events.writeStream.format(kind).outputMode(mode).option("checkpointLocation", c).start()\n',
    'c = "/c"\nif full:\n    events.writeStream.format("delta").option("checkpointLocation", c).start("/a")\n'
    'else:\n    events.limit(1).writeStream.format("json").option("checkpointLocation", c).start("/b")\n',
    'q = events.writeStream.format("delta").option("checkpointLocation", "/c").start("/a")\nq.stop()\n'
    'q = events.writeStream.format("delta").option("checkpointLocation", "/c").start("/a")\n',
    'spark.sql("select a, count(*) from x group by a").writeStream.outputMode("complete").start()\n',
    'events.selectExpr("count(*) as n").writeStream.outputMode("complete").format("console").start()\n',
    'events.groupBy("a").applyInPandasWithState(f, s, t, "append", x).writeStream.format("console").start()\n',
    'events.groupBy().count().writeStream.outputMode("complete").format("console").start()\n',
    "def write(batch, number):\n    DeltaTable.forName(spark, 't').merge(batch, 'a').execute()\n"
    'events.writeStream.foreachBatch(write).option("checkpointLocation", "/c").start()\n',
]


@pytest.mark.parametrize("text", INNOCENT, ids=range(len(INNOCENT)))
def test_what_may_be_right_is_silence(text: str) -> None:
    assert rules(text) == []


HOSTILE = [
    b"", b"\x00\xffwriteStream", b"writeStream(", b"a.writeStream" + b".x()" * 5000 + b".start()", b"x = " + b"(" * 3000,
    b"a = a.b\na = a\na.writeStream.start()\n", b"writeStream.start()\n", b"x.writeStream.option().format().start()\n",
    b"x.writeStream.foreachBatch(lambda a, b: None).trigger(once=1).start(*a, **b)\n",
    b"for writeStream in x: writeStream.writeStream.start()\n", b"x = '" + b"writeStream" * 90_000 + b"'\n",
    b"a = b\nb = a\nb.writeStream.start()\n" * 50,
]  # fmt: skip


@pytest.mark.parametrize("source", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_scripts_raise_nothing(source: bytes) -> None:
    file = SourceFile("jobs/a.py", source)
    list(check_queries(file))
    json.dumps(facts_of(file))
    has_conf(file)
