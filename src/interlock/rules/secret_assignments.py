"""Literals that no person would choose, assigned to a name such as ``password`` or ``api_token``."""

import re
from collections.abc import Iterator

from interlock.model.findings import Severity
from interlock.rules.files import SourceFile
from interlock.rules.secret_contexts import Hit
from interlock.rules.secret_values import is_placeholder, is_random, is_reference, is_strong_password

_WORDS = ("passw", "pwd", "passphrase", "secret", "token", "apikey", "api_key", "api-key", "access_key", "accesskey",
          "account_key", "auth_key", "credential", "encryption_key", "signing_key", "private_key")  # fmt: skip
_SECRET_NAME = re.compile(
    r"(?:^|[_.\-])(?:password|passwd|pwd|passphrase|secret|token|api_?key|secret_?key|access_?key|auth_?key|account_?key|"
    r"private_?key|signing_?key|encryption_?key|credentials?)(?:_?(?:value|literal|\d))?$"
)
_NO_SECRET = re.compile(
    r"(?:next|page|sync|continuation|csrf|unk|pad|eos|bos|mask|start|stop|resume|public|cancel|sub|max|min|idempotency|"
    r"cache|primary|partition|sort|access_key_id|invalidation|dedup|change)[_\-.]?(?:token|key|secret)s?$"
)
_QUOTED = re.compile(
    r"(?P<name>[A-Za-z_][\w.\-]{2,80})\\?[\"']?\s{0,4}\]?\s{0,20}(?::\s{0,4}(?:str|String|Final(?:\[str\])?)\s{0,4})?(?:=>|:=|=|:)"
    r"\s{0,20}[rb]?\\?[\"'](?P<value>[^\"'\s\\]{10,200})\\?[\"']"
)
_BARE = re.compile(
    r"^\s{0,40}(?:export\s+|ENV\s+|ARG\s+|-\s+)?(?P<name>[A-Za-z_][\w.\-]{2,80})\s{0,20}[=:]\s{0,20}"
    r"(?P<value>[^\s\"'#]{10,200})\s*(?:#.*)?$"
)
_ELEMENT = re.compile(r"<(?P<name>[A-Za-z_][\w.\-]{2,80})>(?P<value>[^<>\s]{10,200})</")
_SQL = re.compile(r"(?i)\b(?P<name>password|identified\s+by)\s+'(?P<value>[^'\s]{10,200})'")
_BARE_FILES = (".yml", ".yaml", ".cfg", ".ini", ".sh", ".properties", ".conf")
_LONGEST_LINE = 2000
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def assigned_secrets(file: SourceFile) -> Iterator[Hit]:
    """Warnings: random text is a secret only by its name. Encrypted files hold none that is in the open."""
    lower = file.text.lower()
    if not any(word in lower for word in _WORDS) and "identified" not in lower:
        return
    if "ENC[AES256" in file.text or "kind: SealedSecret" in file.text or "--hash=sha256" in lower:
        return
    offset = 0
    for line in file.text.splitlines(keepends=True):
        if 12 < len(line) <= _LONGEST_LINE:
            yield from _in_line(line, offset, _patterns(file.path))
        offset += len(line)


def _patterns(path: str) -> tuple[re.Pattern[str], ...]:
    name = path.rpartition("/")[2].lower()
    if name.endswith(_BARE_FILES) or name.startswith((".env", "dockerfile")) or name.endswith(".env"):
        return _QUOTED, _BARE
    if name.endswith(".xml"):
        return (_ELEMENT,)
    return (_QUOTED, _SQL) if name.endswith(".sql") else (_QUOTED,)


def _in_line(line: str, offset: int, patterns: tuple[re.Pattern[str], ...]) -> Iterator[Hit]:
    lower = line.lower()
    if not any(word in lower for word in _WORDS) and "identified" not in lower:
        return
    for pattern in patterns:
        for match in pattern.finditer(line):
            if pattern is _QUOTED and _SQL in patterns and match["name"].lower().endswith("token"):
                continue  # a comparison with a token of some chain or some text
            if is_secret_name(match["name"]) and _is_secret(match["name"], match["value"]):
                yield Hit(
                    "ILK-SE008", "a secret by its name and its characters", Severity.WARNING,
                    offset + match.start("value"), match["value"], match["name"],
                )  # fmt: skip


def is_secret_name(name: str) -> bool:
    """Whether a thing of this name is a secret itself: not its hash, its place, its type or its name."""
    snake = _CAMEL.sub("_", name).lower()
    if re.fullmatch(r"identified\s+by", snake):
        return True
    return bool(_SECRET_NAME.search(snake)) and not _NO_SECRET.search(snake)


def _is_secret(name: str, value: str) -> bool:
    if is_placeholder(value) or is_reference(value):
        return False
    if re.search(r"passw|pwd|identified", name.lower()) and is_strong_password(value):
        return True
    return is_random(value)
