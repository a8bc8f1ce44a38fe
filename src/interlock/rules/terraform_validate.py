"""``terraform validate`` of every root module: asked once for what a module consists of.

What was said is found again by the content of Terraform's files in the module and in those of the project that it
calls, its lock, what lies in ``.terraform``, and the version of the binary. Where a module reads other files, it is
found by the names, sizes and times of all files of the project as well.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.catalog.store import ReadingCache
from interlock.catalog.terraform_state import files, installed, program_state
from interlock.model.canonical import digest_bytes, digest_of
from interlock.model.errors import WorkerError
from interlock.model.findings import Finding, NotChecked
from interlock.rules.masking import masked
from interlock.rules.terraform_diagnostics import findings_of, unready
from interlock.rules.terraform_roots import Stack
from interlock.rules.version import version
from interlock.runtimes.terraform import binary_on_path, is_script, validate, version_of

_BINARIES = "terraform-binaries"
_OPEN_TOFU = b"registry.opentofu.org/"
_NAMES = 3


@dataclass(frozen=True)
class Validated:
    """``fresh``: Terraform was asked, in vain or not."""

    findings: tuple[Finding, ...] = ()
    not_checked: tuple[NotChecked, ...] = ()
    fresh: bool = False


def validate_stacks(
    project: Path, stacks: Sequence[Stack], cache: ReadingCache, seconds: float, say: Callable[[str], None]
) -> Validated:
    """What Terraform says of these root modules, and of which it could not say all, and why.

    ``seconds``: what one may take.
    """
    why = {one.root: one.unfit for one in stacks if one.unfit}
    fit = [one for one in stacks if not one.unfit]
    found = _binary(project, fit, cache) if fit else ""
    if isinstance(found, str):
        return Validated((), _grouped(why | {one.root: found for one in fit}))
    binary, number = found
    others = files(project) if any(one.reads_files for one in fit) else []
    keys = {one.root: _key(project, one, number, others if one.reads_files else []) for one in fit}
    space = f"terraform-validate-{version()}"
    stored = cache.load(space)
    unknown = [one for one in fit if keys[one.root] not in stored]

    def ask(stack: Stack) -> list[Any]:
        """[why not all could be said, findings]; no findings where another try may say more."""
        say(f"terraform validate in {stack.root or '.'}")
        try:
            answer = validate(binary, project, stack.root, seconds)
        except WorkerError as error:
            return [f"{error.summary} (terraform.timeout in interlock.yaml is its limit)", None]
        return [unready(answer), [masked(one).packed() for one in dict.fromkeys(findings_of(stack, answer))]]

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        asked = dict(zip((keys[one.root] for one in unknown), pool.map(ask, unknown), strict=True))
    stale = len(stored) > 2 * len(keys) + 64
    new = {key: told for key, told in asked.items() if told[1] is not None}
    if new:
        cache.save(space, new, keep=list(keys.values()) if stale else None)
    findings: list[Finding] = []
    for root, key in keys.items():
        reason, packed = asked[key] if key in asked else stored[key]
        findings += map(Finding.unpacked, packed or ())
        why |= {root: reason} if reason else {}
    return Validated(tuple(findings), _grouped(why), bool(asked))


def _binary(project: Path, stacks: Sequence[Stack], cache: ReadingCache) -> tuple[Path, str] | str:
    """The program to ask with its version, or why there is none."""
    ours = any(path.endswith((".tofu", ".tofu.json")) for one in stacks for path in one.texts)
    ours = ours or any(_OPEN_TOFU in text for one in stacks for text in one.texts.values())
    binary = binary_on_path(open_tofu=ours)
    if binary is None:
        return "neither terraform nor tofu is on PATH: install one, and run 'terraform init' in each"
    if binary.is_relative_to(project.resolve()):
        return f"the {binary.name} on PATH lies in the project, whose code is not trusted so far: install it elsewhere"
    if is_script(binary):
        return f"the {binary.name} on PATH is a script (of tfenv, asdf or the like): put the program itself on PATH"
    key = program_state(binary)
    known = cache.get(_BINARIES, key)
    if known is None:
        try:
            known = version_of(binary)
        except WorkerError as error:
            return f"{error.summary}: {error.remedy}"
        cache.save(_BINARIES, {key: known})
    return binary, f"{binary.name} {known}"


def _key(project: Path, stack: Stack, number: str, others: Sequence[str]) -> str:
    texts = {path: digest_bytes(text) for path, text in stack.texts.items()}
    return digest_of([stack.root, number, texts, installed(project, stack.root), others])


def _grouped(why: Mapping[str, str]) -> tuple[NotChecked, ...]:
    """One entry for each reason."""
    by_reason: dict[str, list[str]] = {}
    for root, reason in sorted(why.items()):
        by_reason.setdefault(reason, []).append(root or ".")
    return tuple(NotChecked(f"terraform validate of {_listed(roots)}", reason) for reason, roots in by_reason.items())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"{', '.join(names[:_NAMES])}{more}"
