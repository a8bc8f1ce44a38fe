"""What a finding was told by besides the base, in words."""

from collections.abc import Iterable

from interlock.model.findings import Compared

_MOST = 3


def said(compared: Compared) -> str:
    """Such as ``environment prod, release 3f9c1a2b4d5e, live since 2026-01-31 08:15 UTC``."""
    if not compared.environment:
        return f"commit {compared.commit[:12]}" + (f" of {compared.since[:10]}" if compared.since else "")
    if not compared.release:
        return f"environment {compared.environment}, where nothing is live"
    told = f"environment {compared.environment}, release {compared.release[:12]}"
    if compared.until:
        return f"{told}, live from {_time(compared.since)} to {_time(compared.until)}"
    return f"{told}, live since {_time(compared.since)}" if compared.since else told


def in_words(against: Iterable[Compared]) -> str:
    """The first few; "" for none."""
    told = [said(one) for one in against]
    more = f"; and {len(told) - _MOST} more" if len(told) > _MOST else ""
    return "; ".join(told[:_MOST]) + more


def environments(compared: Iterable[Compared]) -> list[str]:
    """Those of what was compared with that are live, each in words."""
    return [said(one) for one in compared if one.environment]


def _time(at: str) -> str:
    return f"{at[:16].replace('T', ' ')} UTC"
