"""What was read on another machine: the cache of a project in an object store, for machines that begin with nothing.

``INTERLOCK_SHARED_CACHE`` names the place (``s3://bucket/prefix``). A machine that has no cache of the project yet
takes it from there, and puts back what it has after it read anything new. Every entry is found by the digests of what
it was made from, so that an old or foreign cache costs time and nothing else. Whoever may write there is trusted: give
jobs that check code of strangers the right to read alone.
"""

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.catalog.s3 import s3_client
from interlock.model.errors import ConfigError

VARIABLE = "INTERLOCK_SHARED_CACHE"
_Say = Callable[[str], None]


@dataclass(frozen=True)
class SharedCache:
    """The databases of one project's cache in ``folder``, and their copies below ``bucket/prefix``."""

    folder: Path
    bucket: str
    prefix: str

    def fetch(self, say: _Say) -> None:
        """A folder without databases has those that are shared, if there are any; trouble is said, and that is all."""
        if list(self.folder.glob("*.db")):
            return
        try:
            client = s3_client()
            listed = client.list_objects_v2(Bucket=self.bucket, Prefix=f"{self.prefix}/").get("Contents", [])
            self.folder.mkdir(parents=True, exist_ok=True)
            for entry in listed:
                name = entry["Key"].rpartition("/")[2]
                if name.endswith(".db"):
                    beside = self.folder / f"{name}.{os.getpid()}"
                    client.download_file(self.bucket, entry["Key"], str(beside))
                    beside.replace(self.folder / name)
        except Exception as error:
            say(f"the shared cache was not read: {_told(error)}")

    def publish(self, say: _Say) -> None:
        """What this machine knows now is shared; trouble is said, and that is all."""
        try:
            client = s3_client()
            for path in sorted(self.folder.glob("*.db")):
                with tempfile.TemporaryDirectory(prefix="interlock-share-") as place:
                    copy = Path(place) / path.name
                    # A database that another process writes at this moment is copied as it was before or after.
                    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
                        source.backup(target)
                    client.upload_file(str(copy), self.bucket, f"{self.prefix}/{path.name}")
        except Exception as error:
            say(f"the shared cache was not written: {_told(error)}")


def shared_cache(folder: Path, project: str) -> SharedCache | None:
    """The shared cache of a project; None where none is named. ``ConfigError`` for a name that is no S3 URL."""
    url = os.environ.get(VARIABLE, "")
    if not url:
        return None
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket:
        raise ConfigError(f"{VARIABLE} is no S3 URL", remedy="write s3://bucket/prefix, or leave it out")
    return SharedCache(folder, bucket, "/".join(part for part in (prefix.strip("/"), project) if part))


def _told(error: Any) -> str:
    with suppress(AttributeError):
        return str(error.response["Error"].get("Code", "") or error)
    return str(error).splitlines()[0] if str(error) else type(error).__name__
