"""What the cases cannot show of the Terraform rules: changes of plans, versions, odd and hostile text."""

import json

import hcl2
import pytest

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.rule_terraform import check_syntax
from interlock.rules.rule_terraform_policy import check_policy
from interlock.rules.terraform_facts import facts_of, local_source
from interlock.rules.terraform_plan import plan_findings
from interlock.rules.terraform_syntax import UNKNOWN, parse
from interlock.rules.terraform_versions import address_of, allows, parts_of
from tests.regressions.case import check_files


def change(kind: str, actions: list[str], before: object = None, after: object = None, **more: object) -> dict:
    one = {"address": f"{kind}.it", "mode": "managed", "type": kind, "name": "it"}
    return {**one, "change": {"actions": actions, "before": before, "after": after, **more}}


def judged(*changes: dict, **retention: int) -> list[Finding]:
    return plan_findings({"resource_changes": list(changes)}, lambda address: Place("plan.json"), retention)


def told(*changes: dict, **retention: int) -> list[tuple[str, Severity]]:
    return [(one.rule, one.severity) for one in judged(*changes, **retention)]


def test_destroyed_and_replaced_stores_are_errors_and_the_reason_is_named() -> None:
    assert told(change("aws_s3_bucket", ["delete"], {})) == [("ILK-TF030", Severity.ERROR)]
    replaced = change("aws_db_instance", ["create", "delete"], {}, {"engine": "mysql"}, replace_paths=[["engine"]])
    assert "because engine changed" in judged(replaced)[0].summary
    assert told(change("aws_s3_bucket", ["no-op"], {}, {}), change("aws_s3_bucket", ["forget"], {})) == []
    assert told(change("aws_lambda_function", ["delete", "create"], {}, {})) == []


def test_a_plan_that_opens_grants_or_unguards() -> None:
    allow = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    public = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "x"}]}
    assert told(change("aws_iam_policy", ["create"], None, {"policy": json.dumps(allow)})) == [
        ("ILK-TF032", Severity.ERROR)
    ]
    assert told(change("aws_s3_bucket_policy", ["update"], {}, {"policy": json.dumps(public)})) == [
        ("ILK-TF031", Severity.ERROR)
    ]
    assert told(
        change("aws_redshift_cluster", ["create"], None, {"publicly_accessible": True, "encrypted": False})
    ) == [
        ("ILK-TF031", Severity.ERROR),
        ("ILK-TF033", Severity.WARNING),
    ]
    unguarded = change("aws_rds_cluster", ["update"], {"deletion_protection": True}, {"deletion_protection": False})
    assert told(unguarded) == [("ILK-TF034", Severity.WARNING)]
    already = change("aws_rds_cluster", ["update"], {"deletion_protection": False}, {"deletion_protection": False})
    assert told(already) == []
    assert told(change("aws_db_instance", ["create"], None, {"backup_retention_period": 0})) == [
        ("ILK-TF034", Severity.WARNING)
    ]


def test_encryption_that_is_off_by_default_and_not_asked_for_is_missing() -> None:
    left_off = {"storage_encrypted": None, "snapshot_identifier": None}
    assert told(change("aws_db_instance", ["create"], None, left_off, after_unknown={"id": True})) == [
        ("ILK-TF033", Severity.WARNING)
    ]
    later = change("aws_db_instance", ["create"], None, left_off, after_unknown={"storage_encrypted": True})
    inherited = change("aws_db_instance", ["create"], None, {**left_off, "snapshot_identifier": "s"})
    to_be_inherited = change("aws_db_instance", ["create"], None, left_off, after_unknown={"replicate_source_db": True})
    on_by_default = change("aws_redshift_cluster", ["create"], None, {"encrypted": None})
    assert told(later, inherited, to_be_inherited, on_by_default) == []


def test_retention_below_the_projects_policy_is_an_error_that_names_it() -> None:
    logs = change("aws_cloudwatch_log_group", ["create"], None, {"retention_in_days": 30})
    backups = change("aws_db_instance", ["create"], None, {"backup_retention_period": 3})
    assert told(logs, backups) == []
    (one,) = judged(logs, backups, logs=90)
    assert one.severity is Severity.ERROR and "30 days, and 90 are wanted" in one.summary and "90" in one.remedy
    assert told(backups, backups=3, snapshots=3) == []
    assert told(backups, backups=7) == [("ILK-TF034", Severity.ERROR)]
    for_ever = change("aws_cloudwatch_log_group", ["create"], None, {"retention_in_days": 0})
    assert told(for_ever, logs=90) == []


WELL_FORMED = [
    'a = "${lookup(var.m, "k", "${var.d}")}"\n',
    'resource "x_y" "z" { name = "a" }\n',
    'a = <<EOF\n{ "a": [ ( \'\nEOF\nb = 1\n',
    'a = <<-EOF\n  %{ for k in ["a"] ~}\n  ${k}\n  %{ endfor ~}\n  EOF\n',
    "/* { */ // }\n# [\na = 1\n",
    'a = {\n  "b" : 1, c = 2\n  (var.x) = 3\n}\n',
    "a = [for k, v in var.m : upper(k) if v == null]\n",
    "a = { for k, v in var.m : k => v... if v >= 1 }\n",
    "a = var.x[*].y.0.z != !b ? -1 : 1e3\r\nb = 1\r\n",
    'a = "$${not} %%{one} \\" \\u00e9"\n',
    'tags { "Name" = "x" }\n',
    "a = (\n  1 +\n  2\n)\n",
    "\ufeffa = 1",
    "a = provider::aws::arn_parse(var.x)\n",
]


@pytest.mark.parametrize("text", WELL_FORMED)
def test_well_formed_text_is_understood(text: str) -> None:
    parsed = parse(text.removeprefix("\ufeff"))
    assert parsed.complete and not parsed.chained, parsed.broken
    assert list(check_syntax(SourceFile("a.tf", text.encode()))) == []


HOSTILE = [
    b"", b"\x00\xff\xfe" * 50, b"{" * 5000, b"a = " + b"[" * 5000, b"a {\n" * 3000, b'a = "' + b"${\"" * 3000,
    b"a = <<E\n" + b"x" * 1_000_000, b'a = "' + b"y" * 1_000_000 + b'"', b"<<" * 2000, b'"' * 3001, b"a.b.c " * 20_000,
    b"../shared/variables.tf", b"{{ cookiecutter.name }} = {\n", b"a = {% if x %}\n", b"locals { locals }", b"resource {}",
]  # fmt: skip


@pytest.mark.parametrize("source", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("path", ["a.tf", "a.tfvars", "a.tf.json"])
def test_hostile_text_raises_nothing(source: bytes, path: str) -> None:
    file = SourceFile(path, source)
    list(check_syntax(file))
    list(check_policy(file))
    if not path.endswith("vars"):
        json.dumps(facts_of(file))


@pytest.mark.parametrize(
    "source", [b"../shared/variables.tf", b"a = {% if x %}\n", b"name = {{ cookiecutter.name }}\nb {\n"]
)
def test_links_and_templates_of_other_tools_are_not_called_broken(source: bytes) -> None:
    assert list(check_syntax(SourceFile("a.tf", source))) == []


def test_values_agree_with_python_hcl2() -> None:
    text = 'a = "x"\nb = 12\nc = true\nd = ["p", 1, false]\ne = {\n  k = "v"\n  l = [1]\n}\n'
    body = parse(text).body
    assert {name: body.value(name) for name in body.arguments} == {
        key: value for key, value in _unquoted(hcl2.loads(text)).items() if not key.startswith("__")
    }
    assert parse('a = "${var.x}"').body.value("a") is UNKNOWN


def _unquoted(value):
    if isinstance(value, dict):
        return {_unquoted(k): _unquoted(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_unquoted(one) for one in value]
    return value.strip('"') if isinstance(value, str) else value


def test_module_sources_that_leave_the_project_are_not_followed() -> None:
    assert local_source("infra", "../modules/lake") == "modules/lake"
    assert local_source("", "./") == ""
    assert local_source("infra", "../../elsewhere") is None
    assert local_source("infra", "acme/lake/aws") is None


def test_modules_that_init_installed_are_not_the_projects() -> None:
    file = SourceFile("infra/.terraform/modules/lake/main.tf", b'a = 1\na = 2\nresource "aws_s3_bucket" "raw" {\n')
    assert facts_of(file) is None and list(check_syntax(file)) == [] and list(check_policy(file)) == []


@pytest.mark.parametrize(
    ("constraint", "version", "allowed"),
    [
        ("~> 5.0", "5.94.1", True), ("~> 5.0", "6.0.0", False), ("~> 5.0.1", "5.1.0", False), ("~> 5", "5.9.0", True),
        ("~> 5", "6.0.0", False), (">= 4.9, < 5.0.0", "4.67.0", True), ("= 1.2.0", "1.2.0", True), ("1.2", "1.2.1", False),
        ("!= 1.2.0", "1.2.0", False), ("~> 1.0.0-beta1", "1.0.0", None), ("~> 1.0", "1.1.0-rc1", None), ("x", "1", None),
        (">= 1.0", "", None),
    ],
)  # fmt: skip
def test_constraints_are_read_as_terraform_reads_those_of_providers(constraint, version, allowed) -> None:
    assert allows(constraint, version) is allowed


@pytest.mark.parametrize(
    ("ours", "written"),
    # What Terraform 1.11.4 wrote into plans.
    [(">= 1", ">= 1.0.0"), ("= 1.0.0", "1.0.0"), (">=1,<2", ">= 1.0.0, < 2.0.0"), ("~>1.0,  != 1.5.0", "~> 1.0, != 1.5.0"),
     ("< 2, >= 1.0", ">= 1.0.0, < 2.0.0"), ("~> 1", "~> 1.0")],
)  # fmt: skip
def test_a_constraint_in_a_plan_is_the_one_it_was_made_from(ours, written) -> None:
    assert parts_of(ours) == parts_of(written)


def test_a_provider_has_one_address_however_it_is_spelt() -> None:
    assert address_of("aws", "") == address_of("a", "hashicorp/aws") == "hashicorp/aws"
    assert address_of("a", "registry.opentofu.org/hashicorp/AWS") == "hashicorp/aws"
    assert address_of("a", "example.org/x/aws") == "example.org/x/aws"
    assert address_of("terraform", "") == "terraform.io/builtin/terraform"


def test_blocks_written_as_arguments_twice_are_a_warning() -> None:
    text = b'resource "google_compute_firewall" "a" {\n  allow = {\n    b = 1\n  }\n  allow = {\n    b = 2\n  }\n}\n'
    assert [one.severity for one in check_syntax(SourceFile("a.tf", text))] == [Severity.WARNING]


def test_what_a_perhaps_unused_provider_refers_to_is_a_warning() -> None:
    text = b'variable "region" {}\nprovider "aws" {\n  alias  = "b"\n  region = var.regoin\n}\n'
    assert [(one.rule, one.severity) for one in check_files({"infra/main.tf": text})] == [
        ("ILK-TF004", Severity.WARNING)
    ]
