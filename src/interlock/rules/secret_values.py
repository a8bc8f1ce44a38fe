"""What tells a secret from what only looks like one: placeholders, references, hashes, names, encrypted values."""

import base64
import binascii
import re
from collections import Counter
from math import log2

_PLACEHOLDER = re.compile(
    r"example|sample|dummy|placeholder|change[-_ ]?me|change[-_ ]?it|changethis|replace|redacted|insert|your|"
    r"my[-_ ]?(?:secret|token|pass|key)|fake|mock|todo|fixme|x{4,}|\*{3,}|\.{3}|…|0{6,}|1234567|abcdef(?:g|012)|"
    r"deadbeef|not[-_ ]?a?[-_ ]?(?:real|secret)|none|null|undefined|lorem|foo.?bar|test[-_]|[-_]test\b|^test|hunter2|"
    r"password|passwd|secret[-_]?key|localhost|default|<|>|\bdev\b|sha\d{1,3}[:-]|md5:|enc\[|vault|encrypted|"
    r"keyvault|secretsmanager|ssm:|arn:aws|projects/[^/]+/secrets",
    re.I,
)
# What a shell, a template language or a program fills in later.
_REFERENCE = re.compile(r"[${}<>\[\]()\s|`]|%[A-Za-z_(]|^@|^!|^&|::|^https?://|^s3://|^gs://|^/|^\./|^~/|^env:")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.I)
_HEX = re.compile(r"[0-9a-f]+", re.I)
_CLASSES = (re.compile(r"[a-z]"), re.compile(r"[A-Z]"), re.compile(r"[0-9]"))
_SPECIAL = re.compile(r"[!@#^&*?~+;=]")
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+|[^A-Za-z\d]+")

# Keys that documentation and local stacks of vendors publish: they open nothing.
PUBLIC = frozenset(
    {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
     # The emulators of Azure Storage and of Cosmos DB.
     "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
     "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="}
)  # fmt: skip


def entropy(text: str) -> float:
    """Shannon's entropy of the characters, in bits for each."""
    size = len(text)
    return -sum(n / size * log2(n / size) for n in Counter(text).values()) if size else 0.0


def is_placeholder(value: str) -> bool:
    """Whether the value says itself that it is none."""
    return value in PUBLIC or bool(_PLACEHOLDER.search(value)) or len(set(value)) < 5


def is_reference(value: str) -> bool:
    """Whether the value says where the secret is, or how it is made."""
    return bool(_REFERENCE.search(value))


def is_random(value: str) -> bool:
    """Whether no person would choose the characters, and no naming scheme makes them.

    Hexadecimal digits from 32 on, or at least 16 characters of several classes in no order. A name (``prod-db-v2``)
    falls into words and numbers; random text falls into many short pieces.
    """
    if _UUID.fullmatch(value) or value.startswith(("0x", "0X")):
        return False
    if _HEX.fullmatch(value):
        return len(value) >= 32 and entropy(value) >= 3.0 and not value.isdigit()
    pieces = _WORDS.findall(value)
    return (
        len(value) >= 16
        and entropy(value) >= 3.5
        and sum(bool(one.search(value)) for one in _CLASSES) >= 2
        and bool(_CLASSES[2].search(value))
        and len(value) / len(pieces) < 2.6
    )


def is_strong_password(value: str) -> bool:
    """Whether it is what a password policy asks for: ten characters of four kinds."""
    return len(value) >= 10 and bool(_SPECIAL.search(value)) and all(one.search(value) for one in _CLASSES)


def is_fernet_key(value: str) -> bool:
    """Whether these are 32 bytes in URL-safe base64, as Airflow's ``fernet_key`` must be."""
    try:
        return len(value) == 44 and len(base64.urlsafe_b64decode(value)) == 32 and entropy(value) > 3.5
    except (binascii.Error, ValueError):
        return False
