"""Findings in Terraform's plan: the JSON of ``terraform show -json``, where variables and modules are known.

Source of the format: developer.hashicorp.com/terraform/internals/json-format (format_version 1.x). ``actions`` are
["create"], ["update"], ["delete"], ["delete", "create"], ["create", "delete"], ["no-op"], ["read"] or ["forget"].
"""

import json
from collections.abc import Iterator
from typing import Any

from regopy import Interpreter, RegoError

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.iam_documents import document_of, grants_of
from interlock.rules.terraform_resources import STATEFUL, UNENCRYPTED, UNGUARDED, too_short

_MAKES = {"create", "update"}


def plan_findings(plan: dict[str, Any], path: str) -> list[Finding]:
    """ILK-TF030 to ILK-TF034 for the changes of a plan. ``path``: the plan's file. No value of a change is shown."""
    found: list[Finding] = []
    for change in _changes(plan):
        found += _of_change(change, Place(path))
    return list(dict.fromkeys(found))


def _changes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    changes = plan.get("resource_changes") if isinstance(plan, dict) else None
    for one in changes if isinstance(changes, list) else ():
        if isinstance(one, dict) and isinstance(one.get("change"), dict) and one.get("mode", "managed") == "managed":
            yield one


def _of_change(one: dict[str, Any], place: Place) -> Iterator[Finding]:
    kind, address = str(one.get("type", "")), str(one.get("address", "?"))
    change = one["change"]
    actions = change.get("actions")
    actions = {str(action) for action in actions} if isinstance(actions, list) else set()
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
        if after.get(name) is False:
            yield _finding(33, Severity.WARNING, place, f"'{address}' keeps its data unencrypted ({name} = false)",
                           f"Set {name} = true.")  # fmt: skip
    for name, (value, why) in UNGUARDED.items() if kind in STATEFUL else ():
        if after.get(name) is value and old.get(name) is (not value):
            yield _finding(34, Severity.WARNING, place, f"'{address}' from now on {why} ({name})",
                           f"Keep {name} = {str(not value).lower()}.")  # fmt: skip
    for name in after:
        short = too_short(kind, name, after[name])
        if short:
            yield _finding(34, Severity.WARNING, place, f"'{address}' keeps its {short[1]} for {after[name]} days",
                           f"Set {name} = 7 or more.")  # fmt: skip


def _finding(number: int, severity: Severity, place: Place, summary: str, remedy: str, detail: str = "") -> Finding:
    return Finding(f"ILK-TF{number:03d}", severity, place, summary, remedy, detail=detail)


def _destroyed(change: dict[str, Any], actions: set[str], address: str, place: Place) -> Finding:
    if "create" not in actions:
        return _finding(30, Severity.ERROR, place, f"the plan destroys '{address}' with what it holds",
                        "Keep it, or take it out of the state with a removed block (destroy = false).")  # fmt: skip
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


def rego_findings(policy: str, plan: dict[str, Any], path: str = "") -> list[Finding]:
    """ILK-TF035: the messages of ``deny`` in ``package interlock``; of ``warn`` as warnings. ``input`` is the plan.

    A policy that Rego cannot read or evaluate is a finding: it protects nothing.
    """
    found: list[Finding] = []
    try:
        rego = Interpreter()
        rego.set_input(plan)
        rego.add_module("policy", policy)
        for name, severity in (("deny", Severity.ERROR), ("warn", Severity.WARNING)):
            for message in _messages(str(rego.query(f"data.interlock.{name}"))):
                found.append(_finding(35, severity, Place(path), message, "Change what the policy refuses."))
    except (RegoError, ValueError, TypeError, RecursionError) as error:
        first = next((line for line in str(error).splitlines() if "errormsg" in line), "it has an error")
        why = first.partition("errormsg")[2].strip(" ()").partition(":")[2] or first
        return [_finding(35, Severity.ERROR, Place(path), "the policy cannot be evaluated, so it refuses nothing",
                         "Mend the policy.", why)]  # fmt: skip
    return found


def _messages(output: str) -> list[str]:
    if output == "undefined":
        return []
    told = json.loads(output).get("expressions", [[]])
    first = told[0] if told else []
    return sorted(str(one) for one in first) if isinstance(first, list | dict) else []
