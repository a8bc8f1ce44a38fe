"""A file that holds a plan is read; any other is refused with what it is instead, and nothing of what it holds."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from interlock.model.errors import UsageError
from interlock.rules import terraform_plan_file
from interlock.rules.terraform_plan_file import HIDDEN, read_plan

SECRET = "hunter2-of-production"
PLAN: dict[str, Any] = {"format_version": "1.2", "planned_values": {}, "resource_changes": []}
# As deep as JSON is read by this Python, and deeper than anything else is.
DEEP = 600 if sys.version_info < (3, 12) else 5_000
CHANGE = {"address": "a.b", "type": "a", "change": {"actions": ["create"]}}


def refusal(tmp_path: Path, content: bytes) -> UsageError:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_plan(path, tmp_path)
    error = caught.value
    assert error.remedy
    assert SECRET not in f"{error.summary} {error.remedy} {error.detail}"
    return error


def of(**more: object) -> bytes:
    return json.dumps({**PLAN, **more}).encode()


WHOLE = of(resource_changes=[{**CHANGE, "change": {"actions": ["create"], "after": {"password": SECRET}}}])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (b"  \n", "it is empty"),
        (WHOLE[: len(WHOLE) // 2], "ends in the middle"),
        (WHOLE[: WHOLE.index(SECRET.encode()) + 4], "ends in the middle"),
        (WHOLE.replace(b'"planned_values": {}', b'"planned_values": nothing'), "broken in line 1, column 45"),
        (b"PK\x03\x04" + SECRET.encode(), "as Terraform saves it, not its JSON"),
        (b'{"@level":"info","@message":"' + SECRET.encode() + b'"}\n{"@level":"info"}\n', "terraform plan -json"),
        (b'{"@level":"info"}', "terraform plan -json"),
        (b'{"version": 4, "lineage": "x", "resources": []}', "Terraform's state"),
        (b'{"format_version": "1.0", "values": {"x": "%s"}}' % SECRET.encode(), "the JSON of a state"),
        (b'{"format_version": "1.0"}', "no planned_values"),
        (b"{}", "no format_version"),
        (b"[]", "no object"),
        (b'"' + SECRET.encode() + b'"', "no object"),
        (of(format_version="2.0"), "format_version is none that is known"),
        (of(format_version=SECRET), "format_version is none that is known"),
        (of(format_version=1), "format_version is none that is known"),
        (of(resource_changes={SECRET: 1}), "resource_changes are no list"),
        (of(resource_changes=[CHANGE, {"address": SECRET}]), "entry 2 of its resource_changes"),
        (of(resource_changes=[{**CHANGE, "change": {"actions": "create"}}]), "entry 1 of its resource_changes"),
        (b"\xc3\x28" + SECRET.encode(), "no text in UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"format_version": "1.0", "planned_values": ' + b'{"a":' * DEEP + b"1" + b"}" * (DEEP + 1), "nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_no_plan_is_refused_with_what_it_is(tmp_path: Path, content: bytes, told: str) -> None:
    assert told in refusal(tmp_path, content).summary


def test_a_plan_that_is_too_large_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terraform_plan_file, "LARGEST_BYTES", 1_000_000)
    assert "larger than 1 MB" in refusal(tmp_path, WHOLE + b" " * 1_000_000).summary
    for path in (tmp_path / "nowhere.json", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            read_plan(path, tmp_path)


def test_a_plan_in_utf_16_as_powershell_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(of().decode().encode("utf-16"))
    assert read_plan(path, tmp_path).document == PLAN


def test_a_plan_is_named_by_its_place_in_the_project_or_as_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop" / "infra").mkdir(parents=True)
    for folder in ("shop/infra", "."):
        (tmp_path / folder / "plan.json").write_bytes(of())
    monkeypatch.chdir(tmp_path / "shop" / "infra")
    assert read_plan(Path("plan.json"), tmp_path / "shop").path == "infra/plan.json"
    assert read_plan(Path("../../plan.json"), tmp_path / "shop").path == "../../plan.json"


def test_sensitive_values_are_hidden_wherever_terraform_marks_them(tmp_path: Path) -> None:
    sides = {
        "before": {"password": "before-1", "port": 5432, "names": ["open", "names-2"]},
        "before_sensitive": {"password": True, "names": [False, True]},
        "after": {"password": "after-3", "port": 5432, "nested": {"a": {"key": "nested-4"}, "pin": 98765}},
        "after_sensitive": {"password": True, "nested": True},
    }
    resource = {"address": "a.b", "values": {"token": "values-5", "size": 1}, "sensitive_values": {"token": True}}
    path = tmp_path / "plan.json"
    path.write_bytes(
        of(
            resource_changes=[{**CHANGE, "change": {"actions": ["update"], **sides}}],
            resource_drift=[{**CHANGE, "change": {"actions": ["update"], "after": "drift-6", "after_sensitive": True}}],
            deferred_changes=[{"resource_change": {"change": {"after": ["deferred-7"], "after_sensitive": [True]}}}],
            output_changes={"o": {"actions": ["create"], "after": "output-8", "after_sensitive": True, "before": None}},
            planned_values={
                "outputs": {"o": {"sensitive": True, "value": "planned-9"}, "open": {"sensitive": False, "value": "open"}},
                "root_module": {"child_modules": [{"resources": [resource]}]},
            },
            prior_state={"values": {"root_module": {"resources": [resource]}}},
            variables={"pw": {"value": "variable-10"}, "n": {"value": "open"}},
            configuration={"root_module": {
                "variables": {"pw": {"sensitive": True, "default": "default-11"}, "n": {"default": "open"}},
                "module_calls": {"m": {"module": {"variables": {"pw": {"sensitive": True, "default": "inner-12"}}}}},
            }},
        )
    )  # fmt: skip
    plan = read_plan(path, tmp_path)
    shown = json.dumps(plan.open)
    secrets = [
        "before-1", "names-2", "after-3", "nested-4", "98765", "values-5", "drift-6", "deferred-7", "output-8", "planned-9",
        "variable-10", "default-11", "inner-12",
    ]  # fmt: skip
    assert [one for one in secrets if one in shown] == []
    assert [one for one in secrets if one not in plan.hidden] == []
    assert plan.open["resource_changes"][0]["change"]["before"] == {
        "password": HIDDEN, "port": 5432, "names": ["open", HIDDEN],
    }  # fmt: skip
    assert plan.open["variables"] == {"pw": {"value": HIDDEN}, "n": {"value": "open"}}
    assert plan.without_secrets("it is after-3, and open") == "it is …, and open"


def test_a_plan_that_shows_a_part_alone_says_so(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    for more, told in (({"errored": True}, "stopped with an error"), ({"deferred_changes": [{}, {}]}, "2 of its")):
        path.write_bytes(of(**more))
        assert told in read_plan(path, tmp_path).unfinished
    path.write_bytes(of(errored=False, deferred_changes=[]))
    assert read_plan(path, tmp_path).unfinished == ""
