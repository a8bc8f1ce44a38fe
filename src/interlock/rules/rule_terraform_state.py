"""Rules that compare Terraform's text with the base commit: what a plan will destroy, which guards are gone."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Needs, Rule
from interlock.rules.terraform_facts import Folder, folders_of

_State = tuple[str, list[Any]]


def destroyed(inspection: Inspection) -> Iterator[Finding]:
    """ILK-TF020 to ILK-TF022. A folder that is gone altogether is silence: its state may have moved with it."""
    if inspection.base is None or not any(path.endswith(".tf") for path in inspection.changed):
        return
    before, after = folders_of(inspection.base), folders_of(inspection)
    for path, old in before.items():
        new = after.get(path)
        if new is None or not old.complete or not new.complete:
            continue
        held, holds = _stateful(old), _stateful(new)
        moved = {one[0].partition("[")[0] for _, one in new.all("moved")}
        for address, (file, resource) in held.items():
            if address in holds:
                yield from _changed(address, resource, *holds[address])
            elif address not in moved and not _elsewhere(address, before, after, path):
                yield _gone(inspection, address, file, resource, _renamed(address, held, holds), new)


def _stateful(folder: Folder) -> dict[str, _State]:
    return {f"{one[0]}.{one[1]}": (path, one) for path, one in folder.all("resource") if one[4]}


def _elsewhere(address: str, before: dict[str, Folder], after: dict[str, Folder], path: str) -> bool:
    """Whether another folder has it now that did not have it: moved between modules, by `moved` or `state mv`."""
    return any(
        address in _stateful(folder) and (name not in before or address not in _stateful(before[name]))
        for name, folder in after.items()
        if name != path
    )


def _renamed(address: str, held: dict[str, _State], holds: dict[str, _State]) -> str:
    """The new resource that is this one under another name: its identity is equal, or it is the only candidate."""
    kind = address.partition(".")[0] + "."
    added = [one for one in holds if one not in held and one.startswith(kind)]
    gone = [one for one in held if one not in holds and one.startswith(kind)]
    identity = held[address][1][4]["forces"]
    same = [one for one in added if identity and holds[one][1][4]["forces"] == identity]
    if len(added) == len(gone) == 1 and not (identity and holds[added[0]][1][4]["forces"]):
        same = get_close_matches(address, added, n=1, cutoff=0.8)
    return same[0] if len(same) == 1 else ""


def _gone(
    inspection: Inspection, address: str, file: str, resource: list[Any], renamed: str, folder: Folder
) -> Finding:
    if renamed:
        path, new = _stateful(folder)[renamed]
        return Finding(
            "ILK-TF020", Severity.WARNING, Place(path, new[2], new[3]),
            f"'{address}' is called '{renamed}' now, without a moved block: a plan will destroy it, and make an "
            "empty one",
            f"Add: moved {{ from = {address}, to = {renamed} }} (one argument a line).",
        )  # fmt: skip
    place = Place(file, 1, 1) if inspection.exists(file) else Place(next(iter(folder.files)), 1, 1)
    return Finding(
        "ILK-TF020", Severity.WARNING, place, f"'{address}' is removed: a plan will destroy it with what it holds",
        f"If its data shall stay, add: removed {{ from = {address} ... lifecycle {{ destroy = false }} }}.",
    )  # fmt: skip


def _changed(address: str, old: list[Any], path: str, new: list[Any]) -> Iterator[Finding]:
    place = Place(path, new[2], new[3])
    for name, value in old[4]["forces"].items():
        now = new[4]["forces"].get(name)
        if now is not None and now != value:
            yield Finding(
                "ILK-TF021", Severity.WARNING, place,
                f"'{address}' gets another '{name}': a plan will destroy it, and make an empty one",
                f"Keep '{name}', or move the data first and say how in the change.",
            )  # fmt: skip
    for guard in old[4]["guards"]:
        if guard not in new[4]["guards"]:
            yield Finding(
                "ILK-TF022", Severity.WARNING, place,
                f"'{address}' is no longer guarded by {guard.rpartition('.')[2]}",
                f"Keep {guard.rpartition('.')[2]} = true, unless it shall be destroyed.",
            )  # fmt: skip


def _rule(number: int, name: str, summary: str) -> Rule:
    return Rule(f"ILK-TF{number:03d}", name, summary, Severity.WARNING, Needs.BASE)


FAMILY = Family(
    "terraform-state",
    (
        _rule(20, "store-removed", "a store of data is removed or renamed: a plan will destroy it"),
        _rule(21, "store-replaced", "a changed argument makes a plan destroy a store of data"),
        _rule(22, "guard-removed", "a store of data loses its protection from being destroyed"),
    ),
    comparisons=(destroyed,),
)
