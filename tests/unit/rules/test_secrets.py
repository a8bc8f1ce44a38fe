"""Secrets are found, never shown, and what only looks like one is left alone."""

import base64
import json
import random
import string
from dataclasses import asdict

import pytest

from interlock.model.findings import Finding
from interlock.rules.files import SourceFile
from interlock.rules.rule_secrets import secrets
from interlock.rules.secret_detectors import DETECTORS

_RANDOM = random.Random(7)
_TEXT = string.ascii_letters + string.digits


def some(size: int, alphabet: str = _TEXT) -> str:
    """Random text of the same kind in every run. Tokens are put together here, so that no file holds a whole one."""
    return "".join(_RANDOM.choice(alphabet) for _ in range(size))


def digits(size: int) -> str:
    return some(size, "0123456789abcdef")


def found(text: str, path: str = "conf/app.yaml") -> list[Finding]:
    return list(secrets(SourceFile(path, text.encode())))


KEY = base64.b64encode(bytes(_RANDOM.randrange(256) for _ in range(64))).decode()
KNOWN = {
    "AWS pair": "AK" + "IA" + some(16, string.ascii_uppercase) + "\n" + some(40),
    "Azure account": "Account" + "Key=" + KEY,
    "Azure service": "SharedAccess" + "Key=" + base64.b64encode(bytes(range(100, 132))).decode(),
    "Azure signature": "https://x.blob.core.windows.net/c?sv=2022-11-02&si" + "g=" + some(43) + "%3D",
    "Azure application": "aB3" + "8Q" + "~" + some(33),
    "GitHub": "gh" + "p_" + some(36),
    "GitHub fine": "github" + "_pat_" + some(22) + "_" + some(59),
    "GitLab": "gl" + "pat-" + some(20),
    "Slack": "xo" + "xb-1234098765-1234098765-" + some(24),
    "Slack webhook": "https://hooks.slack"
    + ".com/services/T"
    + some(9, "ABCDEF12")
    + "/B"
    + some(9, "ABCDEF12")
    + "/"
    + some(24),
    "Stripe": "sk_" + "live_" + some(30),
    "SendGrid": "S" + "G." + some(22) + "." + some(43),
    "npm": "np" + "m_" + some(36),
    "PyPI": "pypi-" + "AgE" + some(80),
    "Databricks": "da" + "pi" + digits(32),
    "Snowflake": "ver" + ":1-hint:92019681909886-ETM" + "sD" + some(80),
    "dbt Cloud": "dbt" + "c_" + some(40),
    "OpenAI": "sk-proj-" + some(40) + "T3Blbk" + "FJ" + some(40),
    "Anthropic": "sk-" + "ant-api03-" + some(93),
    "Hugging Face": "h" + "f_" + some(34, string.ascii_letters),
    "Terraform Cloud": some(14) + ".atlas" + "v1." + some(65),
    "Vault": "hv" + "s." + some(95),
    "DigitalOcean": "dop" + "_v1_" + digits(64),
    "Grafana": "gl" + "sa_" + some(32) + "_" + digits(8),
    "Google API": "AI" + "za" + some(35),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_format_is_found_once_and_never_shown(name: str) -> None:
    value = KNOWN[name]
    findings = found(f"region: eu\nthe_thing: '{value}'\n")
    assert [one.rule in ("ILK-SE001", "ILK-SE002") for one in findings] == [True]
    assert_hidden(findings, value.partition("Key=")[2] or value)


def assert_hidden(findings: list[Finding], *values: str) -> None:
    shown = json.dumps([asdict(one) for one in findings], default=str, ensure_ascii=False)
    for value in values:
        for part in value.split():
            assert not any(part[at : at + 6] in shown for at in range(len(part) - 6) if _secret_part(part, at))


def _secret_part(value: str, at: int) -> bool:
    return value[at : at + 6] not in ("https:", "ttps:/") and at > 0


def test_every_detector_is_tried_here() -> None:
    tried = {d.kind for d in DETECTORS for value in KNOWN.values() if d.pattern.search(f" '{value}'")}
    assert {d.kind for d in DETECTORS} - tried <= {"an auth token of Twilio"}


def test_secrets_by_surroundings_are_never_shown() -> None:
    password, token, twilio = "vT9~rK2p!7qWz4", some(40), digits(32)
    fernet = base64.urlsafe_b64encode(bytes(range(150, 182))).decode()
    pem = "\n".join(some(64, _TEXT + "+/") for _ in range(4))
    text = (
        f"url: postgresql://loader:{password}@dwh.shop-data.net/dwh\n"
        f"jdbc: jdbc:mysql://dwh.shop-data.net/x?user=loader&password={token}\n"
        f"twilio_auth_token: {twilio}\nfernet_key: {fernet}\napi_token: {some(38)}x9\n"
        f"key: |\n  -----BEGIN RSA PRIVATE KEY-----\n{pem}\n-----END RSA PRIVATE KEY-----\n"
    )
    findings = found(text)
    rules = {"ILK-SE002", "ILK-SE003", "ILK-SE005", "ILK-SE007", "ILK-SE008"}
    assert {one.rule for one in findings} == rules
    assert_hidden(findings, password, token, twilio, fernet, *pem.split())


def test_profile_password_is_found_and_hidden() -> None:
    text = "shop:\n  outputs:\n    prod:\n      host: dwh.shop-data.net\n      password: vT9~rK2p!7qWz4\n"
    [one] = found(text, "dbt/profiles.yml")
    assert (one.rule, one.severity, one.place.line) == ("ILK-SE006", "error", 5)
    assert_hidden([one], "vT9~rK2p!7qWz4")


@pytest.mark.parametrize(
    "text",
    [
        "password: changeme", "password: <your password>", "password: ${DB_PASSWORD}", "api_token: xxxxxxxxxxxxxxxxxxxx",
        "password: \"{{ env_var('DBT_PASSWORD') }}\"", "password: '{{ conn.dwh.password }}'",
        "password = os.environ['DWH_PASSWORD_OF_2024']", "token = get_secret('projects/9/secrets/tok-9A7/versions/3')",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "url: postgres://postgres:postgres@localhost/db",
        "url: postgresql+psycopg2://airflow:airflow@postgres/airflow", "url: mysql://user:pass@db.example.com/x",
        "url: postgresql://loader:%s@%s/dwh", "url: postgresql://loader:{password}@dwh.shop-data.net/dwh",
        "digest: sha256:" + "3f9a" * 16, "token_hash: " + "3f9ab21c" * 8, "commit: " + "3f9ab21c77" * 4,
        "secret_id: 0b7c2c4e-0d0e-4a57-9a2f-2f4f8b1c9e11", "client_secret: 0b7c2c4e-0d0e-4a57-9a2f-2f4f8b1c9e11",
        "secret_name: prod-warehouse-password-v2", "password_secret: prod/warehouse/loader-2024",
        "token_url: https://login.shop-data.net/oauth/9aK2/token", "password: ENC[AES256_GCM,data:a9Zk2L0pQw8xN3bV,type:str]",
        "password: $2b$12$KIXQ8s9aQn0f1R2t3Y4u5e", "token: !vault kv/data/loader#t0ken9", "next_token: AbC9dE8fG7hI6jK5lM4n",
        "contract_token: '0x8ac76a51cc950d9822d68b83fe1ad97b32cd580d'", "imagePullSecret: registry-credentials-2024",
        "DATABRICKS_TOKEN=dapiXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX", "GITHUB_TOKEN: ghp_" + "x" * 36,
        "-----BEGIN PUBLIC KEY-----\n" + "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" * 4,
        "raise ValueError('no -----BEGIN PRIVATE KEY----- in it')", "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["conf/app.yaml", "dags/app.py", ".env", "conf/app.ini"])
def test_lookalike_is_left_alone(text: str, path: str) -> None:
    assert found(text, path) == []


def test_files_of_locks_encryption_and_packages_are_left_alone() -> None:
    secret = f'api_token = "{some(40)}"'
    assert found(secret, "conf/app.py")
    for path in ("package-lock.json", "dbt/dbt_packages/x/y.sql", "dbt/target/manifest.json"):
        assert found(secret, path) == []
    assert found(f"$ANSIBLE_VAULT;1.1;AES256\n{secret}") == []
    assert found(f"kind: SealedSecret\n{secret}") == []
    assert found(f"{secret}\npandas==2.0 --hash=sha256:{digits(64)}", "requirements.txt") == []


def test_tests_and_examples_weigh_one_step_less() -> None:
    text = "token: " + KNOWN["dbt Cloud"]
    weights = {path: found(text, path)[0].severity.value for path in ("conf/a.yaml", "tests/a.yaml", "README.md")}
    assert weights == {"conf/a.yaml": "error", "tests/a.yaml": "warning", "README.md": "warning"}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("path", ["a.yaml", "profiles.yml", "a.py", "a.sql", "a.xml", ".env", "a.ipynb"])
@pytest.mark.parametrize(
    "source",
    [
        b"", b"\x00\xff\xfe\x01" * 1000, b"password=" * 100_000, b"a" * 1_000_000, b"eyJ" * 300_000,
        b"AKIA" + b"A" * 1_000_000, b"AKIAABCDEFGHIJKLMNOP " * 20_000, b"postgres://a:" * 60_000, b"[" * 50_000,
        b"-----BEGIN PRIVATE KEY-----" * 20_000, b"token: \xed\xa0\x80\n" * 1000, b"?sv=" * 100_000 + b"sig=",
        b"aws_secret" * 50_000, b"x: &a [*a]", b"ghp_" * 100_000, b'password: "' + b"a1B" * 300_000,
    ],
    ids=range(16),
)  # fmt: skip
def test_hostile_input_neither_raises_nor_takes_long(path: str, source: bytes) -> None:
    list(secrets(SourceFile(path, source)))
