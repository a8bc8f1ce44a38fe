"""Where a resource of a plan stands in the project's text."""

import re
from collections.abc import Mapping

from interlock.model.errors import Place
from interlock.rules.terraform_facts import Folder, local_source

_INDEX = re.compile(r'\[(?:"(?:[^"\\]|\\.)*"|[^\]]*)\]')


class Places:
    """Places of addresses. ``root`` is the root module that a plan was made from; None where that is not known."""

    def __init__(self, folders: Mapping[str, Folder], root: str | None, plan: str) -> None:
        self._folders, self._plan = folders, Place(plan)
        self._root = folders.get(root) if root is not None else None

    def of(self, address: str) -> Place:
        """The block that declares a resource, or says that it is gone (``removed``, ``moved``); else the call of the
        module that holds it; else the plan's file."""
        folder, found = self._root, self._plan
        names = _INDEX.sub("", address).split(".")
        while folder is not None and len(names) > 2 and names[0] == "module":
            call = next(((path, one) for path, one in folder.all("module") if one[0] == names[1]), None)
            if call is None:
                return found
            path, one = call
            found = Place(path, one[1], one[2])
            source = local_source(folder.path, one[3])
            folder = self._folders.get(source) if source is not None else None
            names = names[2:]
        if folder is None or len(names) < 2:
            return found
        kind = "data" if names[0] == "data" else "resource"
        wanted = names[-2:]
        for path, one in folder.all(kind):
            if one[:2] == wanted:
                return Place(path, one[2], one[3])
        return next(
            (
                Place(path, one[1], one[2])
                for path, one in folder.all("moved")
                if one[0].split("[")[0] == ".".join(wanted)
            ),
            found,
        )
