"""What is live in an environment, as a check gets it. Nothing here loads the ledger, a store or the rules."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from interlock.model.findings import Compared, NotChecked


@dataclass(frozen=True)
class Earlier:
    """A content that a file had: of what it was part, a digest, and its bytes when they are needed."""

    compared: Compared
    digest: str
    read: Callable[[], bytes]


Versions = Mapping[str, Sequence[Earlier]]


def no_versions(paths: Collection[str]) -> tuple[Versions, list[NotChecked]]:
    """What ``LiveRelease.earlier`` does where nothing was live before."""
    return {}, []


def no_files(path: str) -> bytes:
    """What ``LiveRelease.read`` does where nothing is live."""
    raise KeyError(path)


@dataclass(frozen=True)
class LiveRelease:
    """What is live in an environment; ``compared.release`` is "" where nothing is.

    ``state``: a digest of all that the ledger says of the environment. ``files``: digest by path; ``read`` gives the
    bytes of one of them. ``parts``: what single files are live from, where that is another release. ``complete``: its
    builder carried every schema and contract, wherever it lies. ``earlier``: what files held in releases that were live
    before, and what of these could not be looked at. What reads may be called in a process that was forked.
    """

    compared: Compared
    state: str
    files: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[str], bytes] = no_files
    parts: Mapping[str, Compared] = field(default_factory=dict)
    complete: bool = True
    earlier: Callable[[Collection[str]], tuple[Versions, list[NotChecked]]] = no_versions
    not_checked: tuple[NotChecked, ...] = ()
