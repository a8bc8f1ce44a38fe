"""Which modules an interpreter finds at the top of its import path, told by its folders: none of its code is run."""

import os
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PACKAGES = ("site-packages", "dist-packages")
_VERSIONED = re.compile(r"(?:python|pypy)\d[\d.]*")
_PATH_HOOKS = frozenset({"sitecustomize", "usercustomize"})
# Lines of .pth files that are code. These are known to bring no module but the ones named here.
_KNOWN_PTH = {"distutils-precedence.pth": frozenset({"distutils"}), "_virtualenv.pth": frozenset[str]()}
_NAMESPACE_PTH = "-nspkg.pth"  # its packages are folders beside it
_EDITABLE_PTH = re.compile(r"__editable__\.(.+)\.pth")
# Modules in C that Python had up to 3.9 or 3.12: an interpreter may hold them without a file.
_FORMERLY_COMPILED = frozenset({"audioop", "nis", "ossaudiodev", "parser", "spwd"})


@dataclass(frozen=True)
class Importable:
    """Names of modules and packages. ``unknown``: why there may be other ones; "" where these are all."""

    names: frozenset[str]
    unknown: str = ""


class _Unknowable(Exception):
    pass


def importable(python: Path) -> Importable:
    """What ``import NAME`` finds under this interpreter: its standard library and what is installed beside it."""
    try:
        standard, folders = _import_path(python)
        names = _standard(standard)
        for folder in folders:
            names |= _installed(folder)
    except _Unknowable as error:
        return Importable(frozenset(), str(error))
    except OSError as error:
        return Importable(frozenset(), f"its folders cannot be read: {error.strerror}")
    return Importable(frozenset(names))


def _import_path(python: Path) -> tuple[list[Path], list[Path]]:
    """Folders of the standard library, and those that packages are installed into."""
    prefix = python.parent.parent
    settings = _settings(prefix / "pyvenv.cfg")
    if settings is None:
        return _of_installation(python)
    folders = [one for one in prefix.glob("lib*/py*/site-packages") if _VERSIONED.fullmatch(one.parent.name)]
    if not folders or "home" not in settings:
        raise _Unknowable("its virtual environment is not whole")
    base = Path(settings["home"]).parent
    standard = [found for folder in folders for found in base.glob(f"lib*/{folder.parent.name}")]
    if settings.get("include-system-site-packages", "false").lower() == "true":
        standard, more = _of_installation(python)
        folders += more
    return standard, folders


def _settings(path: Path) -> dict[str, str] | None:
    if not path.is_file():
        return None
    pairs = (line.partition("=") for line in path.read_text("utf-8", "replace").splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _of_installation(python: Path) -> tuple[list[Path], list[Path]]:
    real = python.resolve()
    if not real.is_file() or not _VERSIONED.fullmatch(real.name):
        raise _Unknowable("its interpreter does not lie where a Python has its modules")
    prefix, home = real.parent.parent, Path.home() / ".local"
    roots = [prefix, prefix / "local", home]
    parents = [found for root in roots for name in (real.name, "python3") for found in root.glob(f"lib*/{name}")]
    folders = [parent / name for parent in parents for name in _PACKAGES if (parent / name).is_dir()]
    return list(prefix.glob(f"lib*/{real.name}")), folders


def _standard(folders: list[Path]) -> set[str]:
    compiled = [folder / "lib-dynload" for folder in folders]
    names = {name for folder in (*folders, *compiled) if folder.is_dir() for name in _names_in(folder)}
    if "os" not in names:  # zipped or frozen
        return names | sys.stdlib_module_names
    return names | _compiled()


@cache
def _compiled() -> frozenset[str]:
    """Modules of the standard library that need no file, told by the Python that runs this."""
    written = _names_in(Path(os.__file__).parent)
    return (sys.stdlib_module_names | frozenset(sys.builtin_module_names) | _FORMERLY_COMPILED) - written


def _installed(folder: Path) -> set[str]:
    names = _names_in(folder)
    if names & _PATH_HOOKS:
        raise _Unknowable(f"its {min(names & _PATH_HOOKS)} may change the import path")
    for path in folder.glob("*.pth"):
        names |= _named_by(path)
    return names


def _named_by(path: Path) -> set[str]:
    """What a .pth file adds: the modules of each folder that it names."""
    if path.name in _KNOWN_PTH:
        return set(_KNOWN_PTH[path.name])
    if path.name.endswith(_NAMESPACE_PTH):
        return set()
    editable = _EDITABLE_PTH.fullmatch(path.name)
    names: set[str] = set()
    for line in path.read_text("utf-8", "replace").splitlines():
        if line.startswith(("import ", "import\t")):
            told = _top_level(path.parent, editable[1]) if editable else set()
            if not told:
                raise _Unknowable(f"its {path.name} runs code that may change the import path")
            names |= told
        elif line.strip() and not line.startswith("#"):
            try:
                names |= _names_in(path.parent / line.strip())
            except NotADirectoryError:
                raise _Unknowable(f"its {path.name} names an archive") from None
            except PermissionError:
                raise
            except (OSError, ValueError):
                continue  # as Python passes over what is not there
    return names


def _top_level(folder: Path, distribution: str) -> set[str]:
    """The modules of a package that is installed as a link to its source, by its own list."""
    try:
        lines = (folder / f"{distribution}.dist-info" / "top_level.txt").read_text("utf-8", "replace").splitlines()
    except OSError:
        return set()
    return {line.strip() for line in lines if line.strip().isidentifier()}


def _names_in(folder: Path) -> set[str]:
    """Modules, packages (also those without an ``__init__``) and extension modules."""
    names = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            name, _, ending = entry.name.partition(".")
            if ending == "" or ending.endswith(("py", "pyc", "so", "pyd")):
                names.add(name)
    return names
