"""Great Expectations suites: files that are none, expectations that nobody defines, and checks that got weaker."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.json_places import is_template, mistake_in, places
from interlock.rules.rule import Family, FileCheck, FileFacts, Held, Needs, Rule
from interlock.rules.schema_files import is_sample

_SUITES, _OWN = "expectation-suite", "own-expectations"
_DEFINED = re.compile(r"^\s*(?:class\s+(Expect\w+)|def\s+(expect_\w+))", re.MULTILINE)

_VALUES = """
    be_between be_dateutil_parseable be_decreasing be_in_set be_in_type_list be_increasing be_json_parseable be_null
    be_of_type be_unique match_json_schema match_like_pattern match_like_pattern_list match_regex match_regex_list
    match_strftime_format not_be_in_set not_be_null not_match_like_pattern not_match_like_pattern_list not_match_regex
    not_match_regex_list
"""
_OTHERS = """
    expect_column_bootstrapped_ks_test_p_value_to_be_greater_than
    expect_column_chisquare_test_p_value_to_be_greater_than expect_column_distinct_values_to_be_in_set
    expect_column_distinct_values_to_contain_set expect_column_distinct_values_to_equal_set
    expect_column_kl_divergence_to_be_less_than expect_column_max_to_be_between expect_column_mean_to_be_between
    expect_column_median_to_be_between expect_column_min_to_be_between expect_column_most_common_value_to_be_in_set
    expect_column_pair_cramers_phi_value_to_be_less_than expect_column_pair_values_a_to_be_greater_than_b
    expect_column_pair_values_to_be_equal expect_column_pair_values_to_be_in_set
    expect_column_parameterized_distribution_ks_test_p_value_to_be_greater_than
    expect_column_proportion_of_non_null_values_to_be_between expect_column_proportion_of_unique_values_to_be_between
    expect_column_quantile_values_to_be_between expect_column_stdev_to_be_between expect_column_sum_to_be_between
    expect_column_to_exist expect_column_unique_value_count_to_be_between expect_column_value_lengths_to_be_between
    expect_column_value_lengths_to_equal expect_column_value_z_scores_to_be_less_than
    expect_compound_columns_to_be_unique expect_multicolumn_sum_to_equal expect_multicolumn_values_to_be_unique
    expect_select_column_values_to_be_unique_within_record expect_table_column_count_to_be_between
    expect_table_column_count_to_equal expect_table_columns_to_match_ordered_list expect_table_columns_to_match_set
    expect_table_row_count_to_be_between expect_table_row_count_to_equal expect_table_row_count_to_equal_other_table
    expect_query_results_to_match_comparison unexpected_rows_expectation
"""
# What Great Expectations itself defines, in its versions 0.8 to 1.
CORE = frozenset([*(f"expect_column_values_to_{one}" for one in _VALUES.split()), *_OTHERS.split()])


def check_json(file: SourceFile) -> Iterator[Finding]:
    """ILK-CT007: a suite that is no JSON."""
    if is_sample(file.path) or b'"expectations"' not in file.source or is_template(file.text):
        return
    wrong = mistake_in(file.text)
    if wrong is not None:
        what = f"the expectation suite is no JSON: {wrong.what}"
        yield file.finding("ILK-CT007", wrong.line, what, wrong.remedy, column=wrong.column)


def suite(file: SourceFile) -> list[list[Any]] | None:
    """[type, columns, {bound: number}, line, last line] for each expectation; None for files that are no suite."""
    if b'"expectations"' not in file.source or b'"expect' not in file.source:
        return None
    data = file.data
    if not isinstance(data, dict) or not isinstance(data.get("expectations"), list):
        return None
    if not any(key in data for key in ("expectation_suite_name", "name", "data_asset_name")):
        return None
    where = places(file.text)
    found = []
    for number, one in enumerate(data["expectations"]):
        kind = one.get("expectation_type", one.get("type")) if isinstance(one, dict) else None
        if not isinstance(kind, str):
            continue
        kwargs = one.get("kwargs")
        kwargs = kwargs if isinstance(kwargs, dict) else {}
        place = where.get(("expectations", number), (1, 1))
        columns = "" if kind.startswith("expect_table_") else _columns(kwargs)
        found.append([kind, columns, _bounds(kwargs), *place])
    return found


def _columns(kwargs: Mapping[str, Any]) -> str:
    told = [kwargs.get(key) for key in ("column", "column_A", "column_B")]
    names = [one for one in told if isinstance(one, str)]
    listed = kwargs.get("column_list")
    return ", ".join([*names, *(one for one in listed if isinstance(one, str))] if isinstance(listed, list) else names)


def _bounds(kwargs: Mapping[str, Any]) -> dict[str, float | None]:
    """Bounds that are told; None where one is no number, but a day or a parameter."""
    return {
        key: kwargs[key] if isinstance(kwargs[key], (int, float)) and not isinstance(kwargs[key], bool) else None
        for key in ("mostly", "min_value", "max_value")
        if kwargs.get(key) is not None
    }


def own_expectations(file: SourceFile) -> list[str] | None:
    """Names of expectations that a project defines itself."""
    if b"xpect" not in file.source:
        return None
    found = [_snake(match[1]) if match[1] else match[2] for match in _DEFINED.finditer(file.text)]
    return found or None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def check_types(inspection: Inspection) -> Iterator[Finding]:
    """ILK-CT006: an expectation that is called almost like one of Great Expectations' own."""
    own: set[str] | None = None
    for path, told in inspection.of(_SUITES).items():
        for kind, columns, _, line, end in told:
            if kind.lower() in CORE or is_sample(path):
                continue
            near = near_miss(kind)
            if not near:
                continue
            if own is None:
                own = {name for names in inspection.of(_OWN).values() for name in names}
            if kind not in own:
                about = f" for {columns}" if columns else ""
                what = f"Great Expectations has no '{kind}'{about}"
                yield Finding("ILK-CT006", Severity.ERROR, Place(path, line, end), what, f"Write '{near}'.")


def near_miss(kind: str) -> str:
    """The core expectation that was meant; "" where a name may well be someone's own.

    Meant is one with the same words in another order, or with one word that differs by a slip of the hand.
    """
    words = kind.lower().split("_")
    for name in sorted(CORE):
        theirs = name.split("_")
        if len(theirs) == len(words) or set(theirs) == set(words):
            if sorted(theirs) == sorted(words):
                return name
            other = [(a, b) for a, b in zip(words, theirs, strict=False) if a != b]
            if len(words) == len(theirs) and len(other) == 1 and _is_slip(*other[0]):
                return name
        elif len(theirs) == len(words) + 1 and any(
            theirs[:at] + theirs[at + 1 :] == words for at, word in enumerate(theirs) if word in ("to", "be", "expect")
        ):
            return name
    return ""


def _is_slip(one: str, other: str) -> bool:
    """Whether two words differ by one letter, or by two that changed places."""
    if min(len(one), len(other)) < 3 or one[0] != other[0]:
        return False
    if len(one) == len(other):
        wrong = [at for at in range(len(one)) if one[at] != other[at]]
        swapped = len(wrong) == 2 and wrong[1] == wrong[0] + 1 and one[wrong[0]] == other[wrong[1]]
        return len(wrong) == 1 or (swapped and one[wrong[1]] == other[wrong[0]])
    short, long = sorted((one, other), key=len)
    return len(long) == len(short) + 1 and any(long[:at] + long[at + 1 :] == short for at in range(len(long)))


def check_weaker(inspection: Inspection) -> Iterator[Finding]:
    """ILK-CT005: an expectation that was removed or loosened."""
    if inspection.base is None:
        return
    before, after = inspection.base.of(_SUITES), inspection.of(_SUITES)
    for path in sorted(inspection.changed):
        if path in before and path in after and not is_sample(path):
            yield from _weaker(path, before[path], after[path])


def _weaker(path: str, old: list[list[Any]], new: list[list[Any]]) -> Iterator[Finding]:
    left = list(new)
    unmatched = []
    for one in old:
        twin = next((other for other in left if other[:3] == one[:3]), None)
        if twin is None:
            unmatched.append(one)
        else:
            left.remove(twin)
    lost = []
    for one in unmatched:
        twin = next((other for other in left if other[:2] == one[:2]), None)
        if twin is None:
            lost.append(one)
            continue
        left.remove(twin)
        words = _loosened(one[2], twin[2])
        if words:
            what = f"an expectation admits more than before: {_about(one)} ({', '.join(words)})"
            remedy = "Restore its bounds, or tell those who rely on it."
            yield Finding("ILK-CT005", Severity.WARNING, Place(path, twin[3], twin[4]), what, remedy)
    for one in lost:
        other = next((other for other in left if other[1] == one[1]), None)
        if other is not None:
            left.remove(other)  # another one took its place, which may be as strict
            continue
        what = f"an expectation was removed: {_about(one)}"
        remedy = "Put it back, or tell those who rely on it."
        yield Finding("ILK-CT005", Severity.WARNING, Place(path, 1, 1), what, remedy)


def _about(one: Sequence[Any]) -> str:
    kind, columns = one[:2]
    return f"{kind} for {columns if len(columns) < 80 else columns[:76] + ' ...'}" if columns else str(kind)


def _loosened(old: Mapping[str, float | None], new: Mapping[str, float | None]) -> list[str]:
    words = []
    for key, absent, sign, said in (
        ("mostly", 1.0, 1, "mostly fell"),
        ("min_value", float("-inf"), 1, "its lower bound fell"),
        ("max_value", float("inf"), -1, "its upper bound rose"),
    ):
        before, after = old.get(key, absent), new.get(key, absent)
        if before is not None and after is not None and after * sign < before * sign:
            words.append(said)
    return words


FAMILY = Family(
    "expectations",
    (
        Rule("ILK-CT005", "weaker-expectation", "an expectation was removed or loosened", Severity.WARNING, Needs.BASE),
        Rule("ILK-CT006", "unknown-expectation", "an expectation's name is misspelt"),
        Rule("ILK-CT007", "suite-not-json", "an expectation suite is no JSON"),
    ),
    file_checks=(FileCheck(("expectations/*.json", "*/expectations/*.json"), check_json),),
    facts=(FileFacts(_SUITES, ("*.json",), suite, Held.EVERYWHERE), FileFacts(_OWN, ("*.py",), own_expectations)),
    project_checks=(check_types,),
    comparisons=(check_weaker,),
)
