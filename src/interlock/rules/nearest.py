"""The nearest existing name, among many."""

from collections.abc import Iterable
from difflib import get_close_matches
from heapq import nlargest

# Comparing in earnest takes some tenths of a millisecond a name: only as many as this are, the likeliest.
_MOST = 40


def nearest(name: str, known: Iterable[str], cutoff: float = 0.8) -> str:
    """The name that was probably meant; "" where none is near enough. Shapes too different in length are passed by."""
    slack = max(2, len(name) // 3)
    likely = sorted({one for one in known if abs(len(one) - len(name)) <= slack and one != name})
    if len(likely) > _MOST:
        likely = nlargest(_MOST, likely, key=lambda one: _shared(name, one) + _shared(name[::-1], one[::-1]))
    return next(iter(get_close_matches(name, likely, n=1, cutoff=cutoff)), "")


def _shared(one: str, other: str) -> int:
    """How many characters the two begin with alike."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count
