"""Odd and hostile schema files, contracts and suites: nothing is raised, and what is well formed is clean."""

from pathlib import Path

import pytest

from interlock.model.findings import Severity
from interlock.rules import rule_contracts, rule_expectations, rule_schema_changes, rule_schemas
from interlock.rules.examine import examine
from interlock.rules.files import Layout, SourceFile
from interlock.rules.json_places import mistake_in, places
from interlock.rules.rule_expectations import CORE, near_miss
from tests.regressions.case import check_files

FAMILIES = (rule_schemas.FAMILY, rule_schema_changes.FAMILY, rule_contracts.FAMILY, rule_expectations.FAMILY)
PATHS = (
    "schemas/a.avsc", "proto/a.proto", "schemas/a.json", "a.schema.json", "contracts/a.odcs.yaml", "models/a.yml",
    "expectations/a.json", "jobs/a.py",
)  # fmt: skip
DEEP = 4_000
HOSTILE = {
    "empty": b"",
    "binary": bytes(range(256)) * 20,
    "one long line": b'{"type": "record", "fields": "' + b"x" * 1_000_000 + b'"}',
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"type":' * DEEP + b'"int"' + b"}" * DEEP,
    "deep enough": b'{"type":"array","items":' * 50 + b'"int"' + b"}" * 50,
    "deep messages": b"message A { " * 300 + b"}" * 300,
    "not closed": b'{"type": "record", "fields": [{"name": "a',
    "numbers": b'{"type": 1, "fields": 2, "name": 3, "properties": 4, "expectations": 5}',
    "nulls": b'{"type": null, "fields": [null, {}, {"name": null}], "symbols": null, "expectations": [null, {"type": "expect"}]}',
    "nan": b'{"type": "record", "name": "A", "fields": [{"name": "x", "type": "int", "default": NaN}]}',
    "huge number": b'{"type": "record", "name": "A", "fields": [{"name": "x", "type": "int", "default": '
    + b"9" * 5000
    + b"}]}",
    "names everywhere": b'{"type": "record", "name": "A", "fields": [{"name": "x", "type": "A"}, {"name": "y", "type": ["A", "A"]}]}',
    "yaml lists": b"kind: DataContract\napiVersion: v3\nschema: [1, [2], {name: {a: b}}, {name: x, properties: 1}]\nquality: 1\n",
    "yaml of itself": b"kind: DataContract\napiVersion: v3\nschema: &a\n  - name: x\n    properties: *a\n",
    "models of nothing": b"models: [1, {name: x, columns: [1, {}, {name: [1]}]}, {config: 1}]\n",
    "a suite of nothing": b'{"name": "x", "expectations": [{"type": "expect_x", "kwargs": []}, {"type": "expect_y"}]}',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_raise_nothing(name: str) -> None:
    for path in PATHS:
        layout = Layout(dbt=(".",))
        for finding in examine(SourceFile(path, HOSTILE[name], layout), FAMILIES).findings:
            assert finding.summary and finding.remedy and finding.place.line >= 1


@pytest.mark.parametrize("name", HOSTILE)
def test_a_change_to_a_hostile_file_and_back_raises_nothing(name: str) -> None:
    sound = {
        "schemas/a.avsc": b'{"type": "record", "name": "A", "fields": [{"name": "x", "type": "int"}]}',
        "proto/a.proto": b'syntax = "proto3"; message A { int32 x = 1; }',
        "schemas/a.json": b'{"type": "object", "properties": {"x": {"type": "string"}}}',
        "contracts/a.odcs.yaml": b"kind: DataContract\napiVersion: v3.0.0\nschema: [{name: a, properties: [{name: x}]}]\n",
        "models/a.yml": b"models: [{name: a, config: {contract: {enforced: true}}, columns: [{name: x}]}]\n",
        "expectations/a.json": b'{"name": "x", "expectations": [{"type": "expect_column_to_exist", "kwargs": {}}]}',
        "dbt_project.yml": b"name: a\n",
    }
    odd = {path: HOSTILE[name] if path != "dbt_project.yml" else data for path, data in sound.items()}
    check_files(odd, sound)
    check_files(sound, odd)


def test_the_example_platform_is_clean() -> None:
    root = Path(__file__).parents[3] / "examples/payments"
    paths = [
        *root.rglob("*.avsc"),
        *root.rglob("*.odcs.yaml"),
        *root.glob("expectations/*.json"),
        *root.glob("dbt/**/*.yml"),
    ]
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
    assert len([path for path in files if path.endswith(".avsc")]) >= 4
    found = [one for one in check_files(files, files) if one.rule.startswith(("ILK-SC", "ILK-CT"))]
    assert found == []


@pytest.mark.parametrize("path", ["tests/data/a.avsc", "src/test/resources/a.avsc", "schemas/invalid_default.avsc"])
def test_samples_of_broken_schemas_are_left_alone(path: str) -> None:
    assert check_files({path: b'{"type": "record",}'}) == ()


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "record", "name": "${name}", "fields": []}',
        '{"type": "record", "name": "A", "fields": [{{ fields }}]}',
        '{"protocol": "Orders", "types": []}',
        '"string"',
        '["null", "string"]',
        '{"type": "record", "name": "A", "fields": [{"name": "when", "type": "org.other.Instant"}]}',
        '{"type": "record", "name": "A", "fields": [{"name": "ratio", "type": "double", "default": "NaN"}]}',
        '{"type": "record", "name": "A", "fields": [{"name": "b", "type": "bytes", "default": "\\u00ff"}]}',
        '{"type": "record", "name": "A", "fields": [{"name": "next", "type": ["null", "A"], "default": null}]}',
        '{"type": "error", "name": "Refused", "fields": [{"name": "why", "type": {"type": "string", "avro.java.string": "String"}}]}',
        '{"type": "record", "name": "com.shop.A", "fields": [{"name": "a", "type": {"type": "enum", "name": "E", "symbols": []}},'
        ' {"name": "b", "type": "com.shop.E"}, {"name": "c", "type": "E"}]}',
        '{"type": "record", "name": "A", "fields": [{"name": "r", "type": {"type": "record", "name": "R", "fields":'
        ' [{"name": "x", "type": "int", "default": 1}]}, "default": {}}]}',
    ],
)
def test_odd_avro_schemas_are_clean(text: str) -> None:
    assert [one.summary for one in check_files({"schemas/a.avsc": text.encode()})] == []


def test_an_edition_of_protobuf_is_not_judged() -> None:
    text = b'edition = "2023";\nmessage A {\n  reserved foo, bar;\n  int32 x = 1;\n}\n'
    assert check_files({"a.proto": text}) == ()


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ('{\n"a": 1,\n}', 2, "a trailing comma"),
        ('[1,\n2,\n\n]', 2, "a trailing comma"),
        ('{"a": 1\n"b": 2}', 1, "a comma is missing between two entries"),
        ('{"a": [1, 2}', 1, "a closing brace or bracket is missing"),
        ('{"a": 1', 1, "the text ends too early"),
        ('{"a": 1}\n{"b": 2}', 2, "more text follows after the end"),
    ],
)  # fmt: skip
def test_mistakes_in_json_are_named_where_they_are(text: str, line: int, what: str) -> None:
    wrong = mistake_in(text)
    assert wrong is not None and (wrong.line, wrong.what) == (line, what)


def test_places_of_values() -> None:
    text = '{\n "a": {"b": [1,\n  2]},\n "c": "x"\n}'
    found = places(text)
    assert found[()] == (1, 5)
    assert found["a",] == (2, 3)
    assert found["a", "b", 1] == (3, 3)
    assert found["c",] == (4, 4)


@pytest.mark.parametrize(
    ("kind", "near"),
    [
        ("expect_column_values_to_be_not_null", "expect_column_values_to_not_be_null"),
        ("expect_column_values_be_unique", "expect_column_values_to_be_unique"),
        ("expect_table_row_count_to_be_betwen", "expect_table_row_count_to_be_between"),
        ("expect_column_values_to_be_nonincreasing", ""),
        ("expect_column_values_to_be_valid_email", ""),
        ("expect_column_sum_to_equal", ""),
        ("expect_column_min_to_be_positive", ""),
    ],
)
def test_near_misses_of_expectations(kind: str, near: str) -> None:
    assert near_miss(kind) == near


def test_core_expectations_are_no_near_misses_of_each_other_by_mistake() -> None:
    assert len(CORE) > 55


def test_a_draft_contract_and_a_new_major_version_may_break() -> None:
    head = "kind: DataContract\napiVersion: v3.0.2\nid: a\nversion: {}\nstatus: {}\nschema:\n  - name: t\n    properties:\n"
    old, new = "      - {name: a}\n      - {name: b}\n", "      - {name: a}\n"

    def found(before: str, after: str, status: str) -> set[Severity]:
        one = {"c.yaml": (head.format(after, status) + new).encode()}
        two = {"c.yaml": (head.format(before, status) + old).encode()}
        return {finding.severity for finding in check_files(one, two)}

    assert found("1.0.0", "1.0.1", "active") == {Severity.ERROR}
    assert found("1.0.0", "2.0.0", "active") == {Severity.INFO}
    assert found("0.3.0", "0.4.0", "active") == {Severity.INFO}
    assert found("1.0.0", "1.0.0", "draft") == {Severity.INFO}


def test_no_value_of_a_default_is_told() -> None:
    text = b'{"type": "record", "name": "A", "fields": [{"name": "key", "type": "int", "default": "hunter2"}]}'
    (finding,) = check_files({"schemas/a.avsc": text})
    assert "hunter2" not in finding.summary + finding.remedy + finding.detail
