"""An S3 server for tests: moto, in a process of its own, so that clients meet a real HTTP endpoint."""

import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support import process
from tests.support.process import ServiceError

REGION = "us-east-1"


@dataclass
class S3Server:
    """A running S3 endpoint with one bucket, empty at the start.

    `environment` holds what boto3 and other AWS clients read, so that a subprocess finds the server with nothing else.
    ServiceError when it does not answer.
    """

    bucket: str = "interlock-test"
    endpoint: str = field(init=False, default="")
    _child: "subprocess.Popen[bytes] | None" = field(init=False, default=None, repr=False)

    def start(self) -> None:
        """The endpoint answers and the bucket exists."""
        port = process.free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        log = Path(tempfile.gettempdir()) / f"ilk-moto-{os.getpid()}-{port}.log"
        self._child = process.start(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONUNBUFFERED": "1"},
            cwd=Path(tempfile.gettempdir()),
            log=log,
        )
        try:
            process.wait_until(self._answers, timeout=60, what="the S3 server to answer")
            self.client().create_bucket(Bucket=self.bucket)
        except BaseException as error:
            self.stop()
            if isinstance(error, ServiceError):
                raise ServiceError(f"{error}\n{process.tail(log)}") from None
            raise
        finally:
            log.unlink(missing_ok=True)

    def stop(self) -> None:
        """The endpoint is gone and whatever it held with it."""
        if self._child is not None:
            process.kill_tree(self._child)
            self._child = None

    def client(self) -> Any:
        """A boto3 client of this server; credentials are given outright, the machine's own are not looked at."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 2}),
        )

    def url(self, prefix: str) -> str:
        """The `s3://` address of a prefix in the bucket."""
        return f"s3://{self.bucket}/{prefix.strip('/')}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point any AWS client at this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": REGION,
        }

    def __enter__(self) -> "S3Server":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        assert self._child is not None
        if self._child.poll() is not None:
            raise ServiceError(f"moto ended with {self._child.returncode}")
        try:
            with urllib.request.urlopen(f"{self.endpoint}/moto-api/", timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
