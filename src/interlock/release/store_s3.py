"""A store in S3: the same layout as the folder store, below a prefix. Objects are written once and never replaced.

Region, credentials and endpoint come from the usual AWS settings (``AWS_ENDPOINT_URL`` for S3-compatible services).
"""

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interlock.catalog.s3 import s3_client
from interlock.model.canonical import digest_bytes
from interlock.model.errors import ConfigError, InterlockError, TamperedError, UnreachableError
from interlock.model.progress import OnProgress, Progress, silent
from interlock.model.release import Manifest
from interlock.release.manifest import REBUILD, is_digest, parse_manifest
from interlock.release.store import MissingError, checked_digest, choose
from interlock.release.store_folder import read_source

_PARALLEL = 16
_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
_ALREADY_THERE = frozenset({"412", "PreconditionFailed", "409", "ConditionalRequestConflict"})
_UNCONDITIONAL_ONLY = frozenset({"501", "NotImplemented"})
_REFUSED = frozenset(
    {"403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
)


class S3Store:
    """Releases in a bucket. The client is made at first use."""

    def __init__(self, bucket: str, prefix: str = "") -> None:
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self._made: Any = None
        self._making = threading.Lock()
        self._conditional = True

    def __repr__(self) -> str:
        return f"S3Store('s3://{self.bucket}/{self.prefix}')"

    def put_blob(self, data: bytes) -> str:
        digest = digest_bytes(data)
        self._put(self._blob(digest), data)
        return digest

    def put_files(self, blobs: Mapping[str, Path], on_progress: OnProgress = silent) -> None:
        items = sorted(blobs.items())

        def put(item: tuple[str, Path]) -> None:
            data = read_source(item[1], item[0])
            key = self._blob(item[0])
            if not self._holds(key, data):
                self._put(key, data)

        with ThreadPoolExecutor(_PARALLEL) as pool:
            try:
                for number, _ in enumerate(pool.map(put, items), 1):
                    if number % 100 == 0 or number == len(items):
                        on_progress(Progress("build.store", "uploading files", number, len(items)))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def has(self, digest: str) -> bool:
        return self._head(self._blob(digest)) is not None

    def read(self, digest: str) -> bytes:
        data = self._get(self._blob(digest), f"the blob {digest[:12]}")
        if digest_bytes(data) != digest:
            raise TamperedError(f"the blob {digest[:12]} was changed in the store", remedy=REBUILD, detail=repr(self))
        return data

    def put_manifest(self, manifest: Manifest) -> str:
        self._put(self._manifest(manifest.id), manifest.encoded)
        return manifest.id

    def has_release(self, release: str) -> bool:
        return self._head(self._manifest(release)) is not None

    def manifest(self, release: str) -> Manifest:
        release = release if is_digest(release) else choose(release, self.list())
        try:
            data = self._get(self._manifest(release), f"the release {release[:12]}")
        except MissingError:
            choose(release, tuple(i for i in self.list() if i != release))
            raise
        return parse_manifest(data, release)

    def list(self) -> tuple[str, ...]:
        folder = f"{self.prefix}manifests/"
        found: list[tuple[float, str]] = []
        with self._answers():
            pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=folder)
            for page in pages:
                for item in page.get("Contents", ()):
                    name = item["Key"].removeprefix(folder).removesuffix(".json")
                    if is_digest(name):
                        found.append((-item["LastModified"].timestamp(), name))
        return tuple(name for _, name in sorted(found))

    def _blob(self, digest: str) -> str:
        return f"{self.prefix}blobs/{checked_digest(digest)[:2]}/{digest}"

    def _manifest(self, release: str) -> str:
        return f"{self.prefix}manifests/{checked_digest(release)}.json"

    def _head(self, key: str) -> Any:
        """The object's size and SHA-256, as S3 says; None when it is not there."""
        with self._answers():
            return self._or_none(
                lambda: self._client().head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
            )

    def _holds(self, key: str, data: bytes) -> bool:
        head = self._head(key)
        if head is None or head["ContentLength"] != len(data):
            return False
        # A service that keeps no SHA-256 leaves the size to go by; reading checks the bytes in any case.
        return bool(head.get("ChecksumSHA256", _sha256(data)) == _sha256(data))

    def _get(self, key: str, what: str) -> bytes:
        with self._answers():
            data = self._or_none(lambda: self._client().get_object(Bucket=self.bucket, Key=key)["Body"].read())
        if data is None:
            raise MissingError(f"{what} is not in the store", remedy=REBUILD, detail=f"s3://{self.bucket}/{key}")
        return bytes(data)

    def _or_none(self, ask: Callable[[], Any]) -> Any:
        from botocore.exceptions import ClientError

        try:
            return ask()
        except ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise

    def _put(self, key: str, data: bytes) -> None:
        from botocore.exceptions import ClientError

        request = {"Bucket": self.bucket, "Key": key, "Body": data, "ChecksumSHA256": _sha256(data)}
        with self._answers():
            if self._conditional:
                try:
                    self._client().put_object(**request, IfNoneMatch="*")
                    return
                except ClientError as error:
                    if _code(error) in _UNCONDITIONAL_ONLY:
                        self._conditional = False
                    elif _code(error) not in _ALREADY_THERE:
                        raise
                if self._holds(key, data):
                    return
            # Others' bytes under this name, or another writer who did not finish: ours are the ones that belong there.
            self._client().put_object(**request)

    def _client(self) -> Any:
        with self._making:
            if self._made is None:
                self._made = s3_client(_PARALLEL)
            return self._made

    @contextmanager
    def _answers(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

        try:
            yield
        except InterlockError:
            raise
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise ConfigError(
                f"there are no AWS credentials for the artifact store s3://{self.bucket}",
                remedy="Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role.",
                detail=str(error),
            ) from error
        except ClientError as error:
            raise self._explained(error) from error
        except (BotoCoreError, OSError) as error:
            raise UnreachableError(
                f"the artifact store s3://{self.bucket} did not answer",
                remedy="Check the network, AWS_REGION and AWS_ENDPOINT_URL, and run the same command again.",
                detail=str(error)[:500],
            ) from error

    def _explained(self, error: Any) -> InterlockError:
        code, detail = _code(error), str(error)[:500]
        if code == "NoSuchBucket":
            return ConfigError(
                f"the bucket {self.bucket} does not exist",
                remedy="Create it, or name another one under 'artifacts' in interlock.yaml.",
                detail=detail,
            )
        if code in _REFUSED:
            return UnreachableError(
                f"the artifact store s3://{self.bucket} refused these credentials",
                remedy="They need s3:GetObject, s3:PutObject and s3:ListBucket, and must not have expired.",
                detail=detail,
            )
        return UnreachableError(
            f"the artifact store s3://{self.bucket} failed with {code}",
            remedy="Run the same command again; what is stored already is kept.",
            detail=detail,
        )


def _sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
