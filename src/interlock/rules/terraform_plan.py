"""Findings in Terraform's plan: the JSON of ``terraform show -json``, where variables and modules are known.

Source of the format: developer.hashicorp.com/terraform/internals/json-format (format_version 1.x). ``actions`` are
["create"], ["update"], ["delete"], ["delete", "create"], ["create", "delete"], ["no-op"], ["read"] or ["forget"].
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.iam_documents import document_of, grants_of
from interlock.rules.terraform_resources import MADE_FROM, OFF_BY_DEFAULT, STATEFUL, UNENCRYPTED, UNGUARDED, too_short

_MAKES = {"create", "update"}


def plan_findings(
    plan: Mapping[str, Any], place_of: Callable[[str], Place], retention: Mapping[str, int]
) -> list[Finding]:
    """ILK-TF030 to ILK-TF034 for the changes of a plan.

    ``place_of`` knows where the resource of an address stands. ``retention``: the least days that the project wants, by
    what is kept.
    """
    found: list[Finding] = []
    for one in plan.get("resource_changes", ()):
        if one.get("mode", "managed") == "managed":
            found += _of_change(one, place_of(one["address"]), retention)
    return list(dict.fromkeys(found))


def _of_change(one: dict[str, Any], place: Place, retention: Mapping[str, int]) -> Iterator[Finding]:
    kind, address, change = one["type"], one["address"], one["change"]
    actions = set(change["actions"])
    if "delete" in actions and kind in STATEFUL:
        yield _destroyed(change, actions, address, place)
    after = change.get("after")
    if not actions & _MAKES or not isinstance(after, dict):
        return
    before = change.get("before")
    old = before if isinstance(before, dict) and "delete" not in actions else {}
    yield from _public(kind, address, after, place)
    yield from _granted(kind, address, after, place)
    for name in UNENCRYPTED.get(kind, ()):
        if after.get(name) is False or _is_left_off(kind, name, change):
            told = "false" if after.get(name) is False else "not set"
            yield _finding(33, Severity.WARNING, place, f"'{address}' keeps its data unencrypted ({name} is {told})",
                           f"Set {name} = true.")  # fmt: skip
    for name, (value, why) in UNGUARDED.items() if kind in STATEFUL else ():
        if after.get(name) is value and old.get(name) is (not value):
            yield _finding(34, Severity.WARNING, place, f"'{address}' from now on {why} ({name})",
                           f"Keep {name} = {str(not value).lower()}.")  # fmt: skip
    for name, value in after.items():
        short = too_short(kind, name, value, retention)
        if short:
            least, what = short
            wanted = least == retention.get(what)
            yield _finding(
                34, Severity.ERROR if wanted else Severity.WARNING, place,
                f"'{address}' keeps its {what} for {value} days" + (f", and {least} are wanted" if wanted else ""),
                f"Set {name} = {least if wanted else 7} or more.",
            )  # fmt: skip


def _is_left_off(kind: str, name: str, change: dict[str, Any]) -> bool:
    """Whether a switch that is off by default is not set, and nothing else decides it."""
    after, unknown = change["after"], change.get("after_unknown")
    later = unknown if isinstance(unknown, dict) else {}
    decided = any(after.get(one) or later.get(one) for one in MADE_FROM)
    return kind in OFF_BY_DEFAULT and name in after and after[name] is None and not later.get(name) and not decided


def _finding(number: int, severity: Severity, place: Place, summary: str, remedy: str, detail: str = "") -> Finding:
    return Finding(f"ILK-TF{number:03d}", severity, place, summary, remedy, detail=detail)


def _destroyed(change: dict[str, Any], actions: set[str], address: str, place: Place) -> Finding:
    if "create" not in actions:
        return _finding(30, Severity.ERROR, place, f"the plan destroys '{address}' with what it holds",
                        "Keep it, or take it out of the state with a removed block (destroy = false). If it shall go, "
                        "waive this at a removed block.")  # fmt: skip
    paths = change.get("replace_paths")
    names = sorted({str(one[0]) for one in paths if isinstance(one, list) and one}) if isinstance(paths, list) else []
    because = f", because {' and '.join(names)} changed" if names else ""
    return _finding(30, Severity.ERROR, place, f"the plan replaces '{address}' by an empty one{because}",
                    "Keep what changed, or move the data first.")  # fmt: skip


def _public(kind: str, address: str, after: dict[str, Any], place: Place) -> Iterator[Finding]:
    if after.get("publicly_accessible") is True and kind in STATEFUL | {"aws_rds_cluster_instance": ()}:
        yield _finding(31, Severity.ERROR, place, f"'{address}' gets an address on the internet",
                       "Set publicly_accessible = false.")  # fmt: skip
    if kind in ("aws_s3_bucket", "aws_s3_bucket_acl") and after.get("acl") in ("public-read", "public-read-write"):
        yield _finding(31, Severity.ERROR, place, f"'{address}' gets the acl '{after['acl']}'",
                       'Set acl = "private".')  # fmt: skip
    if kind == "aws_s3_bucket_policy":
        document = document_of(after.get("policy"))
        if document and any(one.everybody and not one.conditional for one in grants_of(document)):
            yield _finding(31, Severity.ERROR, place, f"the policy '{address}' lets everybody into the bucket",
                           "Name the accounts or roles in Principal, or add a Condition.")  # fmt: skip
    members = after.get("members")
    if kind.startswith(("google_storage_bucket_iam", "google_bigquery_dataset_iam")) and (
        after.get("member") == "allUsers" or (isinstance(members, list) and "allUsers" in members)
    ):
        yield _finding(31, Severity.ERROR, place, f"'{address}' gives its role to allUsers",
                       "Name the service accounts or groups that need it.")  # fmt: skip


def _granted(kind: str, address: str, after: dict[str, Any], place: Place) -> Iterator[Finding]:
    document = document_of(after.get("policy")) if kind.startswith("aws_iam_") else None
    for grant in grants_of(document) if document else ():
        if grant.all_of_all:
            yield _finding(32, Severity.ERROR, place, f"'{address}' allows every action on every resource",
                           "Name the actions and the resources that its holder needs.")  # fmt: skip
        elif grant.services_on_all:
            told = ", ".join(grant.services_on_all)
            yield _finding(32, Severity.WARNING, place, f"'{address}' allows {told} on every resource",
                           "Name the resources, or the actions.")  # fmt: skip
