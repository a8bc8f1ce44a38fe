"""The comment for a pull request: short, complete, and never in the hands of who wrote the code."""

import re

import pytest
from markdown_it import MarkdownIt

from interlock.model.findings import NotChecked, Severity
from interlock.views.check_markdown import LIMIT, MARK, check_markdown
from interlock.views.markdown_text import code, prose
from tests.support.findings import HOSTILE, checked, finding, hostile_check

_MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
_TAGS = {"<code>", "</code>", "<br>", "<sub>", "</sub>", "<span>", "</span>", "<b>", "</b>"}
_BLOCKS = {f"{MARK}\n", "</details>\n", "<details><summary>1 waived</summary>\n"}


def rendered(text: str) -> list[str]:
    """The text as a reader sees it, a line for each block, without the joiners."""
    inline = [token for token in _MARKDOWN.parse(text) if token.type == "inline"]
    return ["".join(c.content for c in token.children if c.type == "text").replace("\u2060", "") for token in inline]


def table(text: str) -> list[list[str]]:
    """The cells of the first table's body."""
    tokens = _MARKDOWN.parse(text)
    body = tokens[next(n for n, t in enumerate(tokens) if t.type == "tbody_open") : next(
        n for n, t in enumerate(tokens) if t.type == "tbody_close"
    )]  # fmt: skip
    rows: list[list[str]] = []
    for number, token in enumerate(body):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "td_open":
            cell = "".join(c.content for c in body[number + 1].children if c.type == "text")
            rows[-1].append(cell.replace("\u2060", ""))
    return rows


def test_verdict_comes_first():
    text = check_markdown(checked(finding(), finding(Severity.WARNING, path="b.py"), base="0123456789abcdef"))
    assert text.startswith(f"{MARK}\n\n### ❌ Interlock: 1 finding blocks\n\n1 error, 1 warning new. Compared with")
    assert "<code>0123456789ab</code>, 3 resources read." in text


def test_nothing_found_is_short():
    text = check_markdown(checked())
    assert rendered(text) == [
        "✅ Interlock: nothing blocks", "Nothing new. Compared with no other commit, 3 resources read."
    ]  # fmt: skip


def test_new_finding_has_place_reason_and_remedy():
    [row] = table(check_markdown(checked(finding(line=7))))
    assert row == ["❌ error", "dags/a.py:7", "it does not importILK-AF001 dag-import", "mend it"]


def test_one_cause_is_one_row_that_counts_what_follows():
    root = finding(path="helpers/dates.py", summary="is gone")
    follow = [finding(path=f"dags/d{i}.py", caused_by=root.key) for i in range(8)]
    [row] = table(check_markdown(checked(*follow, root)))
    assert row[1] == "helpers/dates.py:1"
    assert "8 more follow from it: dags/d0.py:1, dags/d1.py:1" in row[2]
    assert row[2].endswith("dags/d4.py:1 and 3 more places")


def test_affected_are_counted_across_tools():
    affected = (
        "dbt.model:shop.orders", *(f"airflow.dag:d{i}" for i in range(7)), "spark.batch:settle", "exposure:board",
        "warehouse:analytics.orders", "s3://lake/orders", "dags/other.py", "dags/a.py",
    )  # fmt: skip
    lines = rendered(check_markdown(checked(finding(affected=affected), finding(line=2, affected=affected))))
    assert lines[lines.index("Affected downstream") + 1 :] == [
        "7 DAGs: d0, d1, d2, d3, d4, …", "1 dbt model: shop.orders", "1 Spark job: settle", "1 exposure: board",
        "2 datasets: warehouse:analytics.orders, s3://lake/orders", "1 file: dags/other.py",
    ]  # fmt: skip


def test_what_was_not_checked_is_said_with_the_reason():
    lines = rendered(check_markdown(checked(not_checked=[NotChecked("19 rules", "no runtime: run 'interlock init'")])))
    assert lines[-2:] == ["Not checked", "19 rules: no runtime: run 'interlock init'"]
    assert "without `--static`" in check_markdown(checked(static=True))


def test_old_findings_are_only_counted():
    text = check_markdown(checked(finding(new=False, summary="long known"), outgrown=2))
    assert "1 finding was there before (1 error), which does not block" in text
    assert "2 findings of the baseline file are gone" in text
    assert "long known" not in text and "✅" in text


def test_waived_findings_are_folded_with_reason_and_end():
    text = check_markdown(
        checked(finding(waived="the driver is slow (until 2027-01-31)"), finding(line=2, waived="so be it"))
    )
    folded = text[text.index("<details>") : text.index("</details>")]
    assert [row[2:] for row in table(folded)] == [["the driver is slow", "2027-01-31"], ["so be it", "no end"]]
    assert "### ✅" in text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_changes_the_comment(text):
    written = check_markdown(hostile_check(text))
    assert len(written) <= LIMIT
    tokens = _MARKDOWN.parse(written)
    kinds = [token.type for token in tokens]
    assert kinds.count("table_open") == 2 and kinds.count("heading_open") == 3
    assert {t.content for t in tokens if t.type == "html_block"} <= _BLOCKS
    assert not {"fence", "code_block", "hr", "blockquote_open", "ordered_list_open"} & set(kinds)
    inner = [child for token in tokens if token.type == "inline" for child in token.children]
    assert {c.content for c in inner if c.type == "html_inline"} <= _TAGS
    assert {c.type for c in inner} <= {"text", "html_inline", "strong_open", "strong_close", "code_inline", "softbreak"}
    assert {c.content for c in inner if c.type == "code_inline"} <= {"interlock check", "interlock check -v"}
    shown = "".join(c.content for c in inner if c.type == "text")
    assert not re.search(r"@\w|#\w|:\w+:|://|www\.|GH-\d", re.sub(r"(?<=\w):(?=\d)", "", _prose_of(inner)))
    assert not re.search(r"@\w", shown)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202e]", written)


def _prose_of(inner: list) -> str:
    """What stands outside of code, where sites look for references."""
    found, depth = [], 0
    for child in inner:
        if child.type == "html_inline":
            depth += {"<code>": 1, "</code>": -1}.get(child.content, 0)
        elif child.type == "text" and not depth:
            found.append(child.content)
    return "".join(found)


def test_ten_thousand_findings_fit_and_the_rest_is_counted():
    many = [finding(path=f"dags/{'deep/' * 20}d{i}.py", summary=f"broken {i} | `x`" * 20) for i in range(10_000)]
    text = check_markdown(checked(*many, *[finding(path=f"w{i}.py", waived="because" * 30) for i in range(2000)]))
    assert len(text) <= LIMIT
    [left] = re.findall(r"… and (\d+) more findings; `interlock check`", text)
    assert int(left) + len(table(text)) == 10_000
    assert text.rstrip().endswith("</details>")


def test_worst_texts_in_every_part_at_once_fit():
    text = "|`@" * 2000
    many = [
        finding(path=f"{text}{i}", summary=f"{i}{text}", remedy=text, new=i % 3 > 0, waived=text if i % 2 else "",
                affected=tuple(f"{kind}:{i}{text}" for kind in ("airflow.dag", "dbt.model", "exposure", "x", "y")))
        for i in range(400)
    ]  # fmt: skip
    written = check_markdown(checked(*many, not_checked=[NotChecked(text, text)] * 50, base=text))
    assert len(written) <= LIMIT


@pytest.mark.parametrize("text", ["", " ", "a`b", "dags/a.py:100", "a  b\n c"])
def test_names_stay_readable(text):
    assert rendered(prose(text)) == ([" ".join(text.split())] if text.strip() else [])
    assert rendered(code(text)) == ([" ".join(text.split())] if text.strip() else [])
