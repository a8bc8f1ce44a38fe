"""The nearest existing name, among many."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str], cutoff: float = 0.8) -> str:
    """The name that was probably meant; "" where none is near enough. Shapes too different in length are passed by."""
    slack = max(2, len(name) // 3)
    likely = sorted({one for one in known if abs(len(one) - len(name)) <= slack and one != name})
    return next(iter(get_close_matches(name, likely, n=1, cutoff=cutoff)), "")
