"""Throws spoilt files at every rule: `python benches/fuzz.py --runs 100000 [--seed N] [--atheris]`.

The corpus are the regression cases and the example platform. An input is one of its files, spoilt: cut, doubled,
spliced with another, with bytes turned, nested deeply, in one endless line, with a secret planted in it. It fails when
a rule raises, takes longer than its limit, or shows the secret. `--atheris` lets coverage choose the inputs, where
atheris is installed.
"""

import argparse
import random
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

LIMIT_SECONDS = 10
# Of a known format, and nobody's; in pieces, so that nobody who looks for such things finds it here.
SECRET = "_".join(("ghp", "R7qLx2VbN8mZt4WcYp6KdJf3Hs9GaE1TuQ5o"))
_OPENERS = (b"(", b"[", b"{", b"{{", b"{%", b"'", b'"', b"select (", b"- ", b"a: {", b"/*", b"f'{", b"not ", b"<<")


class TooSlowError(BaseException):
    """The limit is over; no ordinary handler shall swallow it."""


def corpus() -> list[tuple[str, bytes]]:
    """(path, content) of every file of the cases and of the example platform that a rule looks into."""
    from interlock.rules.examine import patterns_of
    from interlock.rules.registry import FAMILIES
    from interlock.rules.rule import matches
    from tests.regressions.case import read_case

    found: dict[bytes, str] = {}
    for path in sorted((HERE.parent / "tests/regressions/cases").rglob("*.case")):
        case = read_case(path)
        for files in (case.broken, case.fixed):
            found.update({content: name for name, content in files.items()})
    example = HERE.parent / "examples" / "payments"
    for path in sorted(example.rglob("*")):
        if path.is_file() and path.stat().st_size < 50_000:
            found[path.read_bytes()] = path.relative_to(example).as_posix()
    patterns = patterns_of(FAMILIES)
    return sorted((name, content) for content, name in found.items() if content and matches(name, patterns))


def spoilt(content: bytes, other: bytes, dice: random.Random) -> bytes:
    """The content after one to four accidents."""
    data = bytearray(content)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        accident = dice.randrange(9)
        if accident == 0:
            del data[at:]
        elif accident == 1:
            data[at:at] = bytes(dice.randrange(256) for _ in range(dice.randint(1, 8)))
        elif accident == 2 and data:
            del data[at : at + dice.randint(1, 40)]
        elif accident == 3:
            start = dice.randrange(len(other) + 1)
            data[at:at] = other[start : start + dice.randint(1, 400)]
        elif accident == 4:
            data[at:at] = dice.choice(_OPENERS) * dice.choice((1, 3, 50, 2000))
        elif accident == 5:
            data[at:at] = data[at : at + 200] * dice.randint(1, 20)
        elif accident == 6:
            data[at:at] = b"x" * dice.choice((100, 10_000))
        elif accident == 7:
            data[at:at] = f"\npassword: {SECRET}\n".encode()
        else:
            data = bytearray(bytes(data).replace(b"\n", dice.choice((b"\r\n", b"\r", b" ", b"\n\t", b"\n    "))))
    return bytes(data)


def check(path: str, content: bytes) -> str:
    """What is wrong with what the rules said of this input; "" where nothing is."""
    from interlock.rules.examine import examine
    from interlock.rules.files import SourceFile
    from interlock.rules.registry import FAMILIES
    from tests.regressions.case import layout_of

    layout = layout_of({path: content, "dbt/dbt_project.yml": b"", "dags/a.py": b""}, "duckdb")
    signal.setitimer(signal.ITIMER_REAL, LIMIT_SECONDS)
    try:
        found = examine(SourceFile(path, content, layout), FAMILIES)
    except TooSlowError:
        return "takes too long"
    except Exception:
        return traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "shows the secret" if SECRET in repr(found.findings) else ""


def run(runs: int, seed: int, failures: Path | None) -> int:
    """How many of the inputs failed; each is written to ``failures``."""
    dice = random.Random(seed)
    files = corpus()
    kinds: Counter[str] = Counter()
    failed, begun = 0, time.monotonic()
    for number in range(1, runs + 1):
        path, content = dice.choice(files)
        data = spoilt(content, dice.choice(files)[1], dice)
        kinds[Path(path).suffix] += 1
        wrong = check(path, data)
        if wrong:
            failed += 1
            print(f"input {number} ({path}, seed {seed}): {wrong}", file=sys.stderr)
            if failures:
                failures.mkdir(parents=True, exist_ok=True)
                (failures / f"{number}-{Path(path).name}").write_bytes(data)
        if number % 5000 == 0:
            print(f"{number:,} inputs, {failed} failed, {time.monotonic() - begun:.0f} s", flush=True)
    print(f"{runs:,} inputs from {len(files)} files: {failed} failed; {dict(kinds.most_common())}")
    return failed


def run_atheris(runs: int) -> None:
    """The same with inputs that reach new code; atheris ends the process by itself."""
    import atheris

    with atheris.instrument_imports(include=["interlock.rules", "interlock.catalog"]):
        import interlock.rules.registry  # noqa: F401
    files = corpus()

    def one(data: bytes) -> None:
        provider = atheris.FuzzedDataProvider(data)
        path, content = files[provider.ConsumeIntInRange(0, len(files) - 1)]
        keep = provider.ConsumeIntInRange(0, len(content))
        wrong = check(path, content[:keep] + provider.ConsumeBytes(4096) + content[keep:])
        if wrong:
            raise AssertionError(f"{path}: {wrong}")

    atheris.Setup([sys.argv[0], f"-runs={runs}", "-max_len=4096", "-len_control=0"], one)
    atheris.Fuzz()


def main(argv: list[str] | None = None) -> int:
    """1 when an input failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--failures", type=Path, help="keep the inputs that failed in this folder")
    parser.add_argument("--atheris", action="store_true")
    args = parser.parse_args(argv)

    def expired(number: int, frame: object) -> None:
        raise TooSlowError

    signal.signal(signal.SIGALRM, expired)
    if args.atheris:
        run_atheris(args.runs)
        return 0
    return int(run(args.runs, args.seed, args.failures) > 0)


if __name__ == "__main__":
    raise SystemExit(main())
