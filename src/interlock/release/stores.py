"""Which store an address means."""

from pathlib import Path

from interlock.model.errors import ConfigError
from interlock.release.store import Store
from interlock.release.store_folder import FolderStore
from interlock.release.store_s3 import S3Store


def open_store(url: str, root: Path) -> Store:
    """The store at ``url``: ``s3://bucket/prefix``, or a folder that counts from ``root``. Nothing is connected yet."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return FolderStore((root / Path(url).expanduser()).absolute())
    if scheme == "file":
        return FolderStore((root / rest).absolute())
    bucket, _, prefix = rest.partition("/")
    if scheme == "s3" and bucket:
        return S3Store(bucket, prefix.strip("/"))
    raise ConfigError(
        f"artifacts: {scheme}:// is no store that Interlock knows"
        if scheme != "s3"
        else "artifacts: no bucket is named",
        remedy="Write a folder such as .interlock/artifacts, or s3://bucket/prefix.",
    )
