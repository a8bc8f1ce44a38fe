"""One value, one byte string: the fast path writes what RFC 8785 demands, or leaves it to the library."""

from dataclasses import dataclass
from enum import StrEnum

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.model.canonical import canonical_json, plain

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=500)
@given(VALUES)
def test_every_value_is_written_as_the_standard_says(value):
    try:
        expected = rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        with pytest.raises(rfc8785.CanonicalizationError):
            canonical_json(value)
    else:
        assert canonical_json(value) == expected


@pytest.mark.parametrize("number", [1.0, -0.0, 1e-7, 1e21, 0.1, 123456.75, 1e16, 9007199254740991, 5e-324])
def test_numbers_at_the_edges(number):
    assert canonical_json([number]) == rfc8785.dumps([number])


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, float("nan"), float("inf"), 2**53])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(ValueError):
        canonical_json({"a": value})


def test_keys_beyond_the_basic_plane_are_sorted_by_utf16():
    assert canonical_json({"\U0001f600": 1, "\ufb33": 2}) == '{"\U0001f600":1,"\ufb33":2}'.encode()


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: int
    where: Colour
    names: tuple[str, ...] = ()


def test_frozen_data_becomes_plain_values():
    assert plain({"p": Point(1, Colour.RED, ("a",)), 2: {"b", "a"}}) == {
        "p": {"x": 1, "where": "red", "names": ["a"]},
        "2": ["a", "b"],
    }
    assert canonical_json(Point(1, Colour.RED)) == b'{"names":[],"where":"red","x":1}'
    assert type(plain(Colour.RED)) is str
