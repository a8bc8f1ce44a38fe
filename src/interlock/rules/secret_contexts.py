"""Secrets that only their surroundings give away: keys in PEM, tokens, passwords in URLs and profiles, assignments."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import yaml

from interlock.model.findings import Severity
from interlock.rules.files import SourceFile
from interlock.rules.secret_values import (
    entropy,
    is_fernet_key,
    is_placeholder,
    is_random,
    is_reference,
    is_strong_password,
)


@dataclass(frozen=True)
class Hit:
    """A secret at an offset of the text. ``name`` is what it is assigned to where that is known, never the value."""

    rule: str
    kind: str
    severity: Severity
    start: int
    value: str
    name: str = ""


_NAME = re.compile(r"([A-Za-z_][\w.\-]{1,60})\\{0,4}[\"']?\s{0,8}\]?\s{0,8}(?:=>?|:)\s{0,8}[rbf]?\\{0,4}[\"']{0,3}$")


def assigned_name(text: str, start: int, value: str) -> str:
    """The name before ``start`` that the value is assigned to; "" where there is none, or where it may be a secret."""
    line = text[max(text.rfind("\n", 0, start) + 1, start - 120) : start]
    match = _NAME.search(line)
    if match is None or is_random(match[1]) or match[1] in value or value[:8] in match[1]:
        return ""
    return match[1]


_PEM = re.compile(r"-----BEGIN (?P<kind>(?:[A-Z0-9]{1,10} ){0,2})PRIVATE KEY(?: BLOCK)?-----")
_MOST_KEYS = 200
_GOOGLE = re.compile(r"private_key\\{0,4}[\"']\s*:\s*\\{0,4}[\"']$")
_FOR_SHOW = re.compile(r"dummy|example|fake|\btest|sample|not.?real|throwaway|self.?signed", re.I)
_NO_KEY_DATA = re.compile(r"\\[nrt]|[^A-Za-z0-9/=]")


def private_keys(text: str) -> Iterator[Hit]:
    """Keys in PEM with their data; a header alone (in code that reads keys) is none."""
    if "PRIVATE KEY" not in text:
        return
    for match in islice(_PEM.finditer(text), _MOST_KEYS):
        body = text[match.end() : match.end() + 600].partition("-----END")[0]
        data = _NO_KEY_DATA.sub("", body)
        if len(data) < 60 or entropy(data[:200]) < 4.3 or is_placeholder(data) or "{{" in body or "ENC[" in body:
            continue
        google = "service_account" in text and re.search(
            r"private_key\\?[\"']\s*:\s*\\?[\"']$", text[: match.start()][-40:]
        )
        rule, kind = ("ILK-SE001", "the key of a GCP service account") if google else ("ILK-SE003", "a private key")
        before = text[max(0, match.start() - 400) : match.start()]
        doubtful = "ENCRYPTED" in match["kind"] or _FOR_SHOW.search(before)
        severity = Severity.WARNING if doubtful else Severity.ERROR
        yield Hit(rule, kind, severity, match.start(), match[0] + data)


_JWT = re.compile(
    r"(?<![A-Za-z0-9_\-.])(?P<value>eyJ[A-Za-z0-9_\-]{10,2000}\.(?P<body>eyJ[A-Za-z0-9_\-]{10,4000})\."
    r"[A-Za-z0-9_\-]{20,700})(?![A-Za-z0-9_\-])"
)
_SHORT_LIVED = 2 * 86400


def web_tokens(text: str) -> Iterator[Hit]:
    """JSON web tokens that live longer than two days; those of documentation and local stacks are none."""
    if "eyJ" not in text:
        return
    for match in _JWT.finditer(text):
        claims = _claims(match["body"])
        if claims is None or claims.get("name") == "John Doe" or "demo" in str(claims.get("iss", "")):
            continue
        issued, ends = claims.get("iat"), claims.get("exp")
        if isinstance(issued, int) and isinstance(ends, int) and ends - issued <= _SHORT_LIVED:
            continue
        yield Hit("ILK-SE004", "a JSON web token", Severity.WARNING, match.start(), match["value"])


def _claims(body: str) -> dict[str, Any] | None:
    try:
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


_URL = re.compile(
    r"(?<![A-Za-z])(?P<scheme>postgres(?:ql)?|mysql|mariadb|mssql|oracle|redshift|snowflake|mongodb|amqps?|rediss?|"
    r"clickhouse|trino|presto|hive|vertica|databricks|https?)(?:\+[\w\-]{1,30}){0,2}://(?P<user>[^\s:@/\"'<>{}$]{0,80}):"
    r"(?P<value>[^\s@/\"'<>]{3,200})@(?P<host>[^\s/\"'<>:?,@\\]{1,200})"
)
_JDBC = re.compile(r"(?P<scheme>jdbc):\w+://(?P<host>[^\s/\"'<>:?,;@]{1,200})[^\s\"']{0,200}?[?&;](?i:user)=(?P<user>"
                   r"[^\s&;\"']{1,80})[&;](?i:password)=(?P<value>[^\s&;\"'<>]{3,200})")  # fmt: skip
_WEAK = frozenset(
    {"pass", "pwd", "admin", "root", "postgres", "mysql", "airflow", "test", "secret", "user", "guest", "minio",
     "minioadmin", "redis", "mongo", "rabbitmq", "superset", "metabase", "dbt", "hive", "spark", "sa", "pw", "pword",
     "docker", "letmein", "token"}
)  # fmt: skip
_LOCAL = re.compile(
    r"localhost|127\.|0\.0\.0\.0|::1|\[|host\.docker\.internal|[^.]*$|.*\.(?:local|localhost|test|invalid|example)$|"
    r"(?:.*\.)?example\.|(?:.*\.)?(?:host|server|hostname|domain|company|mycompany|acme|foo|bar)\.|your", re.I,
)  # fmt: skip


def url_passwords(text: str) -> Iterator[Hit]:
    """Passwords in the URLs of databases and brokers, and random ones in those of web servers."""
    if "://" not in text:
        return
    for pattern in (_URL, _JDBC):
        for match in pattern.finditer(text):
            severity = _password_weight(match["value"], match["user"], match["host"])
            if match["scheme"].startswith("http") and not is_random(match["value"]):
                continue
            if severity is not None:
                kind = "the password of a database" if match["scheme"][:4] != "http" else "a password in a URL"
                name = assigned_name(text, match.start(), match["value"])
                yield Hit("ILK-SE005", kind, severity, match.start("value"), match["value"], name or "URL")


def _password_weight(value: str, user: str, host: str) -> Severity | None:
    """How much a password in the open weighs; None for defaults of local stacks and for placeholders."""
    plain = value.lower()
    if plain in _WEAK or plain == user.lower() or is_placeholder(value) or is_reference(value) or "%" in host:
        return None
    strong = is_random(value) or is_strong_password(value)
    if not host or _LOCAL.match(host) or is_reference(host):
        return Severity.WARNING if strong else None
    return Severity.ERROR if strong else Severity.WARNING


_PROFILE_SECRETS = frozenset({"password", "pass", "token", "client_secret", "private_key_passphrase", "access_token"})


def profile_passwords(file: SourceFile) -> Iterator[Hit]:
    """Literal passwords of a dbt profile: ``NAME: outputs: TARGET: password``."""
    if file.path.rpartition("/")[2] not in ("profiles.yml", "profiles.yaml"):
        return
    for document in file.documents or ():
        for _, profile in _pairs(document):
            for key, outputs in _pairs(profile):
                if key == "outputs":
                    for _, target in _pairs(outputs):
                        yield from _profile_target(target)


def _profile_target(target: yaml.Node) -> Iterator[Hit]:
    told = dict(_pairs(target))
    host, user = (
        next((node.value for key in keys if isinstance(node := told.get(key), yaml.ScalarNode)), "")
        for keys in (("host", "server", "account", "database"), ("user", "username"))
    )
    if isinstance(told.get("account"), yaml.ScalarNode) and "." not in host:
        host += ".snowflakecomputing.com"
    for key, node in told.items():
        if key in _PROFILE_SECRETS and isinstance(node, yaml.ScalarNode):
            severity = _password_weight(node.value, user, host)
            if severity is not None and len(node.value) >= 3:
                yield Hit("ILK-SE006", "a password of dbt", severity, node.start_mark.index, node.value, key)


def _pairs(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key.value, value


_FERNET = re.compile(
    r"(?i:(?P<name>[a-z_]{0,30}fernet_?key))\\?[\"']?\s{0,4}[:=]\s{0,4}\\?[\"']?(?P<value>[A-Za-z0-9_\-]{43}=)"
)
_LOCAL_STACK = re.compile(
    r"compose|(?:^|/)\.env(?:\.(?:local|dev\w*|docker))?$|(?:^|/)\.(?:github|gitlab|circleci)[/\-]"
)
_PUBLISHED = frozenset({"46BKJoQYlPPOexq0OhDZnIlNepKFf87WFwLbfzqDDho=", "jsDPRErfv8Z_eVTnGfF8ywd19j4pyqE3NpdUBA_oRTo="})


def fernet_keys(text: str, path: str) -> Iterator[Hit]:
    """Airflow's ``fernet_key``. Those of local stacks and of tutorials are likely, not certain, to protect nothing."""
    for match in _FERNET.finditer(text) if "ernet" in text or "FERNET" in text else ():
        if is_fernet_key(match["value"]):
            local = _LOCAL_STACK.search(path) or match["value"] in _PUBLISHED
            severity = Severity.WARNING if local else Severity.ERROR
            yield Hit(
                "ILK-SE007", "Airflow's Fernet key", severity, match.start("value"), match["value"], match["name"]
            )
