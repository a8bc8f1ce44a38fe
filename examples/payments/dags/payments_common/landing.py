"""Moving files from the landing area into the lake, once each."""

import hashlib
import shutil

from payments_common.settings import folder


def landing_root():
    """The folder where processors and partners drop their files."""
    return folder("PAYMENTS_LANDING_DIR", "landing")


def lake_root():
    """The folder that the Spark jobs read."""
    return folder("PAYMENTS_LAKE_DIR", "lake")


def take_over(source):
    """Copy each new file of a source from landing to lake; returns how many were new.

    A file counts as known when the lake holds one with the same content, whatever its name: partners send files twice.
    """
    target = lake_root() / source
    target.mkdir(parents=True, exist_ok=True)
    taken = 0
    for path in sorted((landing_root() / source).glob("*")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        final = target / f"{digest[:24]}{path.suffix}"
        if not final.exists():
            partial = final.with_suffix(final.suffix + ".part")
            shutil.copyfile(path, partial)
            partial.rename(final)
            taken += 1
    return taken


def require_rows(source, minimum=1):
    """Raise when the lake holds fewer lines of a source than it must."""
    lines = sum(path.read_bytes().count(b"\n") for path in (lake_root() / source).glob("*.csv"))
    if lines < minimum:
        raise ValueError(f"{source}: {lines} lines in the lake, at least {minimum} expected")
    return lines
