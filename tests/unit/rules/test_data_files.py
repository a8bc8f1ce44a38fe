"""Files that nothing can read are named with the line of the mistake; odd but well-formed ones give nothing."""

import pytest

from interlock.model.findings import Finding
from interlock.rules.files import Layout, SourceFile
from interlock.rules.rule import matches
from interlock.rules.rule_data_files import FAMILY


def found(text: str | bytes, path: str = "conf/a.yaml") -> list[Finding]:
    source = text if isinstance(text, bytes) else text.encode()
    file = SourceFile(path, source, Layout(("dags",)))
    return [one for part in FAMILY.file_checks if matches(path, part.patterns) for one in part.check(file)]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a:\n  b: |\n  text here\n  c: 1\n", 3, "'b' is not indented"),
        ("a: 1\n\tb: 2\n", 2, "tab"),
        ("a: 'x\nb: 1\n", 1, "quote"),
        ('a:\n  b: "x\n  c: "y"\n  d: 1\n', 2, "quote"),
        ("a: it's b: c\n", 1, "without quotes holds"),
        ("a: [1, 2\nb: 3\n", 1, "bracket"),
        ("a:\n  - 1\n  b: 2\n", 3, "indented"),
        ("a:\n  b: 1\n   c: 2\n", 3, "indented"),
        ("a: *b\n", 1, "undefined alias"),
        ('a:\n  b:\n  "x\n  y"\n  c: 1\n', 3, "not indented below its key"),
        ('a: "it\\\'s"\n', 1, "backslash"),
        ("a: @b\n", 1, None),
        ("path: *.csv\n", 1, "alias"),
        ("a: b\nsome words\nc: d\n", 2, "neither"),
    ],
)
def test_yaml_mistake_is_named_with_its_line(text: str, line: int, words: str | None) -> None:
    findings = found(text)
    if words is None:
        assert findings == []  # some tool's mark for what it fills in
    else:
        [one] = findings
        assert one.rule == "ILK-DF001" and one.severity == "error"
        assert one.place.line <= line <= one.place.end_line, str(one.place)
        assert words in one.summary


@pytest.mark.parametrize(
    "text",
    [
        "", "---\n", "a: 1\n---\na: 2\n...\n", "a: !Ref B\nb: !vault x/y\nc: !include d.yml\nd: !!python/name:os.path ''\n",
        "{% for x in y %}\n  - {{ x }}\n{% endfor %}\n", "a: {{ .Values.b }}\n{{- if .c }}\n  d: 1\n{{- end }}\n",
        "a: {{ x }} and {{ y }}: z\n", "a:\n  b: {{ x\n", "<% if a %>\n  b\n", "a: 1\n<<: {b: 2}\n", "x: &a {b: 1}\ny:\n  <<: *a\n",
        "a: |\n  {b\n", "a: '{not json'\n", "config: {a: 1}\n", "my_json: |\n  {{ x | tojson }}\n",
        "my_json: |\n  { a: 1 }\n", 'my_json: |\n  {"a": ${B}}\n', 'my_json: \'{"a": 1}\'\n', "version https://git-lfs.github.com/spec/v1\noid: x: y\n",
    ],
)  # fmt: skip
def test_wellformed_or_templated_yaml_gives_nothing(text: str) -> None:
    assert found(text) == []


def test_dag_factory_dependencies_that_a_generator_makes_are_left_alone() -> None:
    dag = "d:\n  tasks:\n    a:\n      operator: x.Y\n    b:\n      operator: x.Y\n      dependencies: [c]\n"
    assert [(one.rule, one.place.line) for one in found(dag)] == [("ILK-DF008", 7)]
    assert found(dag.replace("b:\n      operator", "b:\n      generator: x.G\n      operator")) == []
    assert found(dag.replace("[c]", "[a, other.c, '{{ c }}']")) == []
    assert found(dag + "  task_groups:\n    c: {tooltip: x}\n") == []


def test_templates_of_yaml_are_left_alone() -> None:
    broken = "a: {{ x }}\n    b: 1\n"
    assert found(broken, "chart/templates/a.yaml") == []
    assert found(broken, "{{cookiecutter.name}}/a.yaml") == []
    assert found("a: [", "tests/fixtures/a.yaml") == found("a: [", "conf/invalid.yaml") == []


def test_key_twice_is_a_warning_at_the_second() -> None:
    [one] = found("a:\n  b: 1\n  c: 2\n  b: 3\n")
    assert (one.rule, one.severity, one.place.line) == ("ILK-DF002", "warning", 4)
    assert found("a: {b: 1}\nc: {b: 1}\n1: x\n'1': y\n") == []


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('{\n  "a": 1,\n}\n', 2, "comma stands after"),
        ('[\n  1,\n  2,\n\n]\n', 3, "comma stands after"),
        ('{\n  "a": 1\n  "b": 2\n}\n', 2, "comma is missing"),
        ('{\n  "a": [1, 2\n', 2, "ends before"),
        ('{"a": "x\ny"}\n', 1, "not closed"),
        ('{"a": 1}}\n', 1, "after its end"),
    ],
)  # fmt: skip
def test_json_mistake_is_named_with_its_line(text: str, line: int, words: str) -> None:
    [one] = found(text, "conf/a.json")
    assert (one.rule, one.severity) == ("ILK-DF003", "error")
    assert one.place.line <= line <= one.place.end_line and words in one.summary


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", "a.json"), ('{"a": 1}\n{"a": 2}\n', "a.json"), ('{"a": 1}{"a": 2}', "a.json"), ("\ufeff[1]", "a.json"),
        ('// text\n{"a": 1, /* b */ "c": [2,],}', "a.json"), ('{"a": 1,}', "tsconfig.base.json"), ("{{ x }}", "a.json"),
        ('{"a": 1,}', ".vscode/settings.json"), ('{"a": ${B}}', "a.json"), ('{"a": NaN}', "a.json"), ("[" * 99999, "a.json"),
        ("version https://git-lfs.github.com/spec/v1\n", "a.json"), ('{"a": }', "tests/fixtures/bad.json"),
    ],
)  # fmt: skip
def test_relatives_of_json_give_nothing(text: str, path: str) -> None:
    assert [one for one in found(text, path) if "deep" not in one.summary] == []


def test_merge_marks_are_found_where_they_break_and_not_where_they_are_text() -> None:
    marks = "<<<<<<< HEAD\na\n=======\nb\n>>>>>>> other\n"
    [one] = found("x = 1\n" + marks, "dags/a.sql")
    assert (one.rule, one.severity, one.place.line, one.place.end_line) == ("ILK-DF004", "error", 2, 6)
    assert found(f'X = """\n{marks}"""\n', "dags/a.py") == []
    assert [one.severity.value for one in found(marks, "docs/git.md")] == ["warning"]
    assert found("Title\n=======\n<<<<<<< x\n", "README.rst") == []
    assert found("select 1 << 2 -- =======\n", "a.sql") == []
    assert [one.rule for one in found("a: 1\n" + marks, "a.yaml")] == ["ILK-DF004"]


def test_toml_that_newer_readers_know_is_only_a_warning() -> None:
    assert [one.severity.value for one in found("a = 1\nb = \n", "a.toml")] == ["error"]
    assert found('a = 1\n[b]\nc = "{x}"\n', "a.toml") == []
    assert found("a = {{ x }}\n", "a.toml") == []


def test_front_matter_is_read_only_in_dag_folders_and_only_where_it_is_one() -> None:
    broken = "---\noperator: x\na: [1\n---\nselect 1\n"
    assert [one.rule for one in found(broken, "dags/x/a.sql")] == ["ILK-DF007"]
    assert found(broken, "sql/a.sql") == []
    assert found("---\n-- operator: x [\n---\nselect 1\n", "dags/a.sql") == []
    assert found("--- Title [\n---\nselect 1\n", "dags/a.sql") == []
    assert found("---\nselect a: [1\n", "dags/a.sql") == []


def test_embedded_json_is_found_at_its_line() -> None:
    [one] = found('a:\n  my_config: |\n    {\n      "b": 1,\n    }\n')
    assert (one.rule, one.severity, one.place.line) == ("ILK-DF006", "warning", 4)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("path", ["a.yaml", "a.json", "a.toml", "a.ipynb", "dags/a.py", "dags/a.sql", "a.md"])
@pytest.mark.parametrize(
    "source",
    [
        b"", b"\x00\xff\xfe\x01" * 1000, b"a: " + b"x" * 1_000_000, b"[" * 100_000, b"- " * 50_000, b'{"a":' * 50_000,
        b"<<<<<<< a\n" * 50_000, b"<<<<<<< a\n=======\n>>>>>>> b\n" * 5000, b"&a [*a]", b"---\na: [\n---\n",
        b"a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]\n", b"\xff\xfea\x00:\x00", b"{%" * 100_000, b"{{" * 100_000,
        b"a.b=1\n" * 2000, b'"' * 100_001, b"'" * 100_001, b"/*" * 100_000,
    ],
    ids=range(18),
)  # fmt: skip
def test_hostile_input_neither_raises_nor_takes_long(path: str, source: bytes) -> None:
    found(source, path)
