"""Canonical JSON (RFC 8785) and the digests made from it."""

import hashlib
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import rfc8785


def plain(value: Any) -> Any:
    """Frozen data as JSON-ready values: dataclasses and mappings become objects, tuples and sets become arrays."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(v) for v in value)
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def canonical_json(value: Any) -> bytes:
    """The one byte string that stands for ``value``: keys sorted, no spaces, numbers as RFC 8785 writes them."""
    return rfc8785.dumps(plain(value))


def digest_bytes(data: bytes) -> str:
    """SHA-256 of ``data`` in hexadecimal (64 characters)."""
    return hashlib.sha256(data).hexdigest()


def digest_of(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``."""
    return digest_bytes(canonical_json(value))
