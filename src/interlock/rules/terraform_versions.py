"""Constraints on the versions of providers, and the addresses of these.

Source: developer.hashicorp.com/terraform/language/expressions/version-constraints: operators ``=``, ``!=``, ``>``,
``>=``, ``<``, ``<=`` and ``~>``, which lets only the last part that is written grow; a single part counts as two.
(``required_version`` is read by another library, for which ``~> 1`` has no upper bound.)
"""

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

_PART = re.compile(r"^(=|!=|>=|<=|>|<|~>)?\s*(\d+(?:\.\d+){0,2})$")
_PEP_440 = {"=": "==", "~>": "~="}
BUILT_IN = "terraform.io/builtin/terraform"
# Where Terraform and OpenTofu look for a provider whose address names no host.
_HOSTS = ("registry.terraform.io/", "registry.opentofu.org/")


def parts_of(constraint: str) -> frozenset[tuple[str, str]] | None:
    """Operators and versions, written out as Terraform writes them into plans; None where it is not understood."""
    found = []
    for part in constraint.split(","):
        match = _PART.match(part.strip())
        if match is None:
            return None
        operator = match[1] or "="
        number = match[2].split(".")
        number += ["0"] * ((2 if operator == "~>" else 3) - len(number))
        found.append((operator, ".".join(number)))
    return frozenset(found)


def allows(constraint: str, version: str) -> bool | None:
    """Whether a constraint lets a version in; None where either is not understood, or a pre-release is among them."""
    parts = parts_of(constraint)
    if parts is None:
        return None
    specifier = ",".join(f"{_PEP_440.get(operator, operator)}{number}" for operator, number in parts)
    try:
        found = Version(version)
        return None if found.is_prerelease else SpecifierSet(specifier).contains(found)
    except (InvalidVersion, InvalidSpecifier):
        return None


def address_of(name: str, source: str) -> str:
    """A provider's address in one spelling: ``hashicorp/aws``, with the host in front where it is not the usual one.

    ``name`` is what a configuration calls it, ``source`` what it says of it ("" for nothing).
    """
    if not source:
        return BUILT_IN if name == "terraform" else f"hashicorp/{name}"
    told = source.lower()
    for host in _HOSTS:
        told = told.removeprefix(host)
    return told
