"""A client of S3 or of what speaks like it."""

import os
from typing import Any


def s3_client(connections: int = 8) -> Any:
    """A boto3 client with short patience; the endpoint and credentials come from AWS's own environment variables."""
    import boto3
    from botocore.config import Config

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=connections,
        s3={"addressing_style": "path"} if endpoint else {},  # few S3-compatible services resolve bucket.host
    )
    return boto3.session.Session().client("s3", endpoint_url=endpoint, config=config)
