"""``interlock rules``: every rule can be listed, found by what people call it, and read about."""

import json

import pytest

from interlock.cli.main import make_app, run
from interlock.rules.explain import find_rule, page_of, reason_of, rules_about
from interlock.rules.registry import RULES
from interlock.views.output import Output


def called(capsys, *arguments: str) -> tuple[int, str, str]:
    output = Output(as_json="--json" in arguments, verbose=False)
    code = run(lambda: make_app("rules")(["rules", *arguments], standalone_mode=False), output)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_list_has_a_line_for_every_rule_where_it_is_no_terminal(capsys):
    code, out, _ = called(capsys, "list")
    assert code == 0
    for rule in RULES.values():
        [line] = [line for line in out.splitlines() if line.startswith(rule.id)]
        assert rule.name in line and rule.severity.value in line and rule.summary in line
    assert f"{len(RULES)} rules" in out


def test_list_of_a_word_holds_only_rules_about_it(capsys):
    _, out, _ = called(capsys, "list", "WAIVER", "--json")
    listed = json.loads(out)
    assert listed["kind"] == "rules.list"
    assert [one["rule"] for one in listed["rules"]] == [rule.id for rule in rules_about("waiver")]
    assert {"ILK-IG001", "ILK-IG002", "ILK-IG003"} <= {one["rule"] for one in listed["rules"]}
    assert rules_about("no rule says this") == []


@pytest.mark.parametrize("word", ["ILK-AF001", "ilk-af001", "dag-import", "DAG-Import", " ilk-Af001 "])
def test_rule_is_found_by_id_and_by_name(word):
    assert find_rule(word).id == "ILK-AF001"


@pytest.mark.parametrize(
    ("word", "nearest"),
    [("ILK-AF0002", "ILK-AF002"), ("expired-wavier", "ILK-IG002"), ("duplicate_dag_id", "ILK-AF002")],
)
def test_unknown_rule_is_answered_with_the_nearest(capsys, word, nearest):
    code, _, err = called(capsys, "explain", word)
    assert code == 2
    assert nearest in err


def test_word_like_no_rule_is_answered_with_where_to_look(capsys):
    code, out, _ = called(capsys, "explain", "\x1b[2J???", "--json")
    assert code == 2
    assert "rules list" in json.loads(out)["error"]["remedy"]
    assert "nearest" not in out


def test_explanation_is_the_page(capsys):
    code, out, _ = called(capsys, "explain", "expired-waiver")
    assert code == 0
    assert out == page_of("ILK-IG002")
    _, out, _ = called(capsys, "explain", "expired-waiver", "--json")
    assert json.loads(out)["page"] == page_of("ILK-IG002")


def test_explanation_on_a_terminal_is_rendered(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    _, out, _ = called(capsys, "explain", "expired-waiver")
    assert "ILK-IG002: expired-waiver" in out
    assert "## Bad" not in out and "\x1b[" in out


def test_reason_is_what_stands_before_the_examples():
    for rule in RULES:
        assert len(reason_of(page_of(rule))) > 60
        assert "##" not in reason_of(page_of(rule))


def test_there_is_no_page_outside_the_rules():
    assert page_of("../pages/ILK-AF001") == page_of("ILK-XX999") == ""
