"""Rules about what Terraform's text opens, grants or leaves unprotected.

Literal values only: what a variable or a module decides is the plan's to tell (`rule_terraform_plan`).
"""

import re
from collections.abc import Iterator
from typing import Any

from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.iam_documents import Grant, document_of, grants_of
from interlock.rules.rule import Family, FileCheck, Rule
from interlock.rules.surroundings import is_less_serious
from interlock.rules.terraform_facts import installed
from interlock.rules.terraform_resources import STATEFUL, UNENCRYPTED, UNGUARDED, too_short
from interlock.rules.terraform_syntax import Block, parse

_MEANT_PUBLIC = re.compile(r"public|website|web|static|assets|www|site|cdn|frontend", re.I)
# Names of what nobody opens on purpose; of other buckets a public one may be what its owner wants.
_HOLDS_DATA = re.compile(
    r"data|lake|raw|warehouse|landing|backup|export|dump|event|log|bronze|silver|gold|curated", re.I
)
_MEANT_ADMIN = re.compile(r"admin|root|owner|break.?glass|super|full.?access|sandbox|poweruser|boundary|scp", re.I)
_WEB_PORTS = {80, 443}
_ANYWHERE = ("0.0.0.0/0", "::/0")
_BLOCKS = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
_POLICY_ARGUMENTS = ("policy", "inline_policy", "assume_role_policy", "access_policies")
# "*" on "*" is the usual start of these: it takes nothing away, or means the resource itself.
_NO_IDENTITY = {"aws_organizations_policy", "aws_kms_key", "aws_kms_key_policy", "aws_vpc_endpoint"}


def check_policy(file: SourceFile) -> Iterator[Finding]:
    """ILK-TF010 to ILK-TF016."""
    if not file.path.endswith(".tf") or installed(file.path):
        return
    body = parse(file.text).body
    website = b"website" in file.source
    organization = b"aws_organizations_policy" in file.source
    for block in body.blocks:
        if block.type == "resource" and len(block.labels) == 2:
            yield from _public_bucket(file, block, website)
            yield from _open_group(file, block)
            yield from _unprotected(file, block)
            if block.labels[0] not in _NO_IDENTITY:
                yield from _documents(file, block, organization)
        elif block.type == "data" and block.labels[:1] == ("aws_iam_policy_document",):
            yield from _grants(file, block, _data_grants(block), organization)


def _weight(file: SourceFile, severity: Severity) -> Severity:
    """Where resources are made to be thrown away nothing is worse than a warning."""
    throwaway = severity is Severity.ERROR and is_less_serious(file.path)
    return Severity.WARNING if throwaway else severity


def _found(
    file: SourceFile, rule: str, block: Block, name: str, summary: str, remedy: str, severity: Severity
) -> Finding:
    argument = block.arguments.get(name)
    line, end = (argument.line, argument.end_line) if argument else (block.line, block.end_line)
    return file.finding(rule, line, summary, remedy, severity=_weight(file, severity), end_line=end)


def _address(block: Block) -> str:
    return ".".join((("data",) if block.type == "data" else ()) + block.labels)


def _public_bucket(file: SourceFile, block: Block, website: bool) -> Iterator[Finding]:
    kind, name = block.labels
    called = f"{name} {block.value('bucket')}"
    meant = website or bool(_MEANT_PUBLIC.search(called)) or not _HOLDS_DATA.search(called)
    acl = block.value("acl")
    if kind in ("aws_s3_bucket", "aws_s3_bucket_acl") and acl in ("public-read", "public-read-write"):
        surely = acl == "public-read-write" or not meant
        does = "read and overwrite" if acl == "public-read-write" else "list and read"
        yield _found(
            file, "ILK-TF010", block, "acl", f"'{_address(block)}' has the acl '{acl}': everybody can {does} it",
            'Write acl = "private", and give readers a policy of their own.',
            Severity.ERROR if surely else Severity.WARNING,
        )  # fmt: skip
    if kind == "aws_s3_bucket_public_access_block":
        off = [one for one in _BLOCKS if block.value(one) is False]
        if off:
            yield _found(
                file, "ILK-TF010", block, off[0], f"'{_address(block)}' turns {', '.join(off)} off",
                "Set all four to true, unless the bucket is meant for the whole internet.", Severity.WARNING,
            )  # fmt: skip
    members = block.value("members")
    reads = not re.search(r"admin|creator|editor|owner|writer", str(block.value("role")), re.I)
    listed = [block.value("member"), *(members if isinstance(members, list) else ())]
    if kind.startswith(("google_storage_bucket_iam", "google_bigquery_dataset_iam")) and "allUsers" in listed:
        yield _found(
            file, "ILK-TF010", block, "member" if "member" in block.arguments else "members",
            f"'{_address(block)}' gives its role to allUsers: to everybody on the internet",
            "Name the service accounts or groups that need it.", Severity.WARNING if reads else Severity.ERROR,
        )  # fmt: skip


def _open_group(file: SourceFile, block: Block) -> Iterator[Finding]:
    kind = block.labels[0]
    rules: list[tuple[Block, str, str]] = []
    if kind in ("aws_security_group", "aws_default_security_group"):
        rules = [(one, "cidr_blocks", "ipv6_cidr_blocks") for one in block.of("ingress")]
    elif kind == "aws_security_group_rule" and block.value("type") == "ingress":
        rules = [(block, "cidr_blocks", "ipv6_cidr_blocks")]
    elif kind == "aws_vpc_security_group_ingress_rule":
        rules = [(block, "cidr_ipv4", "cidr_ipv6")]
    for rule, *names in rules:
        sources = [one for name in names for one in _listed(rule.value(name)) if one in _ANYWHERE]
        first, last, protocol = rule.value("from_port"), rule.value("to_port"), rule.value("protocol")
        everything = protocol in ("-1", -1, "all") or rule.value("ip_protocol") == "-1"
        if not sources or not (everything or (isinstance(first, int) and isinstance(last, int))):
            continue
        if protocol in ("icmp", "icmpv6", "1", 1) or (not everything and first == last and first in _WEB_PORTS):
            continue
        ports = "all ports" if everything else f"port {first}" if first == last else f"ports {first} to {last}"
        yield file.finding(
            "ILK-TF011", rule.line, f"'{_address(block)}' opens {ports} to {sources[0]}",
            "Name the networks or the security groups that need it.", severity=Severity.WARNING, end_line=rule.end_line,
        )  # fmt: skip


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _documents(file: SourceFile, block: Block, organization: bool) -> Iterator[Finding]:
    public = block.labels[0] in ("aws_s3_bucket_policy", "aws_s3_bucket")
    for part in block.walk():
        for name in _POLICY_ARGUMENTS:
            document = document_of(part.value(name)) if name in part.arguments else None
            if document is None:
                continue
            grants = list(grants_of(document))
            yield from _grants(file, block, [(one, part, name) for one in grants], organization)
            for grant in grants if public else ():
                yield from _for_everybody(file, block, grant, part, name)


def _data_grants(block: Block) -> list[tuple[Grant, Block, str]]:
    found = []
    for one in block.of("statement"):
        if one.value("effect") not in (None, "Allow") or one.of("dynamic"):
            continue
        actions, resources = _listed(one.value("actions")), _listed(one.value("resources"))
        everybody = any(
            "*" in _listed(who.value("identifiers")) and who.value("type") in ("*", "AWS")
            for who in one.of("principals")
        )
        held = not one.of("principals") and not one.of("not_principals")
        grant = Grant(
            tuple(text for text in actions if isinstance(text, str)),
            tuple(text for text in resources if isinstance(text, str)), everybody, held, bool(one.of("condition")),
        )  # fmt: skip
        found.append((grant, one, ""))
    return found


def _grants(
    file: SourceFile, block: Block, grants: list[tuple[Grant, Block, str]], organization: bool
) -> Iterator[Finding]:
    for grant, part, name in grants:
        if block.type == "data" and grant.everybody:
            yield from _for_everybody(file, block, grant, part, name)
        if grant.all_of_all:
            meant = organization or _MEANT_ADMIN.search(f"{' '.join(block.labels)} {block.value('name')} {file.path}")
            yield _found(
                file, "ILK-TF012", part, name, f"'{_address(block)}' allows every action on every resource",
                "Name the actions and the resources that its holder needs.",
                Severity.WARNING if meant else Severity.ERROR,
            )  # fmt: skip
        elif grant.services_on_all:
            told = ", ".join(grant.services_on_all)
            yield _found(
                file, "ILK-TF012", part, name, f"'{_address(block)}' allows {told} on every resource",
                "Name the resources, or the actions, that its holder needs.", Severity.WARNING,
            )  # fmt: skip


def _for_everybody(file: SourceFile, block: Block, grant: Grant, part: Block, name: str) -> Iterator[Finding]:
    if grant.everybody and not grant.conditional and any(one.startswith(("s3:", "*")) for one in grant.actions):
        does = "change" if grant.changes else "read"
        yield _found(
            file, "ILK-TF010", part, name,
            f"the policy '{_address(block)}' lets everybody {does} what the bucket holds",
            "Name the accounts or roles in Principal, or add a Condition that only they meet.",
            Severity.ERROR if grant.changes and block.type == "resource" else Severity.WARNING,
        )  # fmt: skip


def _unprotected(file: SourceFile, block: Block) -> Iterator[Finding]:
    kind = block.labels[0]
    address = _address(block)
    if block.value("publicly_accessible") is True and kind.startswith(
        ("aws_db_", "aws_rds_", "aws_redshift", "aws_dms_")
    ):
        yield _found(
            file, "ILK-TF013", block, "publicly_accessible", f"'{address}' gets an address on the internet",
            "Write publicly_accessible = false, and reach it through the network it is in.", Severity.ERROR,
        )  # fmt: skip
    for name in UNENCRYPTED.get(kind, ()):
        if block.value(name) is False:
            yield _found(
                file, "ILK-TF014", block, name, f"'{address}' keeps its data unencrypted ({name} = false)",
                f"Write {name} = true. For one that exists this means a copy: plan it.", Severity.WARNING,
            )  # fmt: skip
    for name, (value, why) in UNGUARDED.items() if kind in STATEFUL else ():
        if block.value(name) is value:
            yield _found(
                file, "ILK-TF015", block, name, f"'{address}' {why} ({name} = {str(value).lower()})",
                f"Write {name} = {str(not value).lower()} wherever its data matters.", Severity.WARNING,
            )  # fmt: skip
    for name in block.arguments:
        short = too_short(kind, name, block.value(name))
        if short:
            yield _found(
                file, "ILK-TF016", block, name, f"'{address}' keeps its {short[1]} for {block.value(name)} days",
                f"Write {name} = 7 or more.", Severity.WARNING,
            )  # fmt: skip


def _rule(number: int, name: str, summary: str, severity: Severity = Severity.WARNING) -> Rule:
    return Rule(f"ILK-TF{number:03d}", name, summary, severity)


FAMILY = Family(
    "terraform-policy",
    (
        _rule(10, "public-storage", "a bucket or dataset is open to everybody", Severity.ERROR),
        _rule(11, "open-security-group", "a port that is not for the web is open to the whole internet"),
        _rule(12, "wildcard-grant", "a policy allows everything on everything", Severity.ERROR),
        _rule(13, "public-database", "a database gets an address on the internet", Severity.ERROR),
        _rule(14, "unencrypted-store", "a store of data turns its encryption off"),
        _rule(15, "unguarded-store", "a store of data can be destroyed with what it holds"),
        _rule(16, "short-retention", "backups or logs are kept too shortly to be of use"),
    ),
    file_checks=(FileCheck(("*.tf",), check_policy),),
)
