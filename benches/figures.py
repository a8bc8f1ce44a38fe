"""Figures: what was measured, how often, against which goal, and the table that people read."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

_UNITS = {"s": " s", "MB": " MB", "x": " x"}


@dataclass(frozen=True)
class Figure:
    """One row: values of one quantity in one unit (`s`, `MB`, or `x` for a ratio), and the goal they must stay under.

    `goal` is None where a row only informs. `note` says what a reader would otherwise have to guess.
    """

    name: str
    values: tuple[float, ...]
    unit: str = "s"
    goal: float | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.values or self.unit not in _UNITS:
            raise ValueError(f"{self.name!r} needs values, and a unit of {', '.join(_UNITS)}")

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median is under the goal; None where there is no goal."""
        return None if self.goal is None else self.median < self.goal

    @property
    def measured(self) -> str:
        """Median, then smallest, largest and how many where there was more than one."""
        text = _number(self.median) + _UNITS[self.unit]
        if len(self.values) > 1:
            text += f" ({_number(min(self.values))} to {_number(max(self.values))}, n={len(self.values)})"
        return text

    @property
    def goal_text(self) -> str:
        return "" if self.goal is None else f"< {_number(self.goal)}{_UNITS[self.unit]}"

    @property
    def met_text(self) -> str:
        return {None: "", True: "yes", False: "NO"}[self.met]


@dataclass(frozen=True)
class Section:
    """The figures of one program in one run, and the circumstances: date and commit as text, load of the machine."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    date: str
    commit: str
    load: float
    command: str = ""


def ratio(name: str, over: Figure, under: Figure, *, goal: float | None = None, note: str = "") -> Figure:
    """How many times `under` goes into `over`, median by median; both must have been measured in the same run."""
    if over.unit != under.unit:
        raise ValueError(f"{over.name!r} is in {over.unit}, {under.name!r} in {under.unit}")
    return Figure(name, (over.median / under.median,), "x", goal, note)


def table(section: Section) -> Table:
    """The section as people see it on a terminal."""
    made = Table(title=section.title, title_justify="left", title_style="bold", expand=False)
    for heading in ("figure", "goal", "measured", "met", "note"):
        made.add_column(heading, justify="left", overflow="fold")
    for figure in section.figures:
        style = "red" if figure.met is False else ""
        made.add_row(figure.name, figure.goal_text, figure.measured, figure.met_text, figure.note, style=style)
    return made


def markdown(sections: Sequence[Section], machine: Sequence[tuple[str, str]], command: str) -> str:
    """The page `docs/benchmarks.md`: machine, command, a table a section, and what is above its goal."""
    lines = [
        "# Figures",
        "",
        "Written by the command below; do not edit by hand. How each figure is taken: `benches/README.md`.",
        "Checks of public repositories: [benchmarks-public.md](benchmarks-public.md).",
        "Who catches what, beside the plain tools: [benchmarks-catches.md](benchmarks-catches.md).",
        "",
        "```",
        command,
        "```",
        "",
        "| machine | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in machine),
        "",
        "Each figure is the median of n runs, with the smallest and largest. *Load* is the machine's load average when",
        "the section began: on a machine that does other work too, compare ratios of one section, not seconds.",
        "",
        "## Above the goal",
        "",
        *_above(sections),
    ]
    for section in sections:
        lines += ["", f"## {section.title}", ""]
        lines += [f"{section.date}, commit {section.commit}, load {section.load:.1f}, `{section.command}`", ""]
        lines += ["| figure | goal | measured | met | note |", "|---|---|---|---|---|"]
        lines += [
            f"| {' | '.join(_cell(text) for text in (f.name, f.goal_text, f.measured, f.met_text, f.note))} |"
            for f in section.figures
        ]
    return "\n".join(lines) + "\n"


def _above(sections: Sequence[Section]) -> list[str]:
    missed = [figure for section in sections for figure in section.figures if figure.met is False]
    if not missed:
        return ["Nothing: every figure with a goal is under it."]
    return [f"- {f.name}: {f.measured}, the goal is {f.goal_text}" for f in missed]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _number(value: float) -> str:
    """Three digits that matter, without an exponent: 0.31, 12.4, 187."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def to_json(section: Section) -> dict[str, Any]:
    """The section as JSON values; `from_json` reads it back."""
    figures = [
        {"name": f.name, "values": list(f.values), "unit": f.unit, "goal": f.goal, "note": f.note}
        for f in section.figures
    ]
    return {**{k: getattr(section, k) for k in ("name", "title", "date", "commit", "load", "command")}} | {
        "figures": figures
    }


def from_json(data: dict[str, Any]) -> Section:
    """The section that `to_json` wrote; KeyError or TypeError where it is none."""
    figures = tuple(Figure(**{**one, "values": tuple(one["values"])}) for one in data["figures"])
    return Section(**{**data, "figures": figures})
