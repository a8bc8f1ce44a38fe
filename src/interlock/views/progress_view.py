"""Live progress on standard error: a spinner for people, a line a step for logs, nothing in JSON."""

import sys
from collections import Counter
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from interlock.model.progress import Progress as Moved
from interlock.views.output import Output
from interlock.views.text import literal

_MARKS = {"finished": "[green]✓[/]", "failed": "[red]✗[/]", "undone": "[yellow]↩[/]", "retrying": "[yellow]…[/]"}
_GATE_MARKS = {"pass": "[green]✓[/]", "fail": "[red]✗[/]", "unknown": "[yellow]?[/]"}


class ProgressView:
    """A context manager that renders what lower layers emit (pass ``view.say`` as their ``on_progress``)."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._console = output.errors
        self._verbose = output.verbose
        self._quiet = output.as_json or not sys.stderr.isatty()
        self._steps = not output.as_json
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=self._quiet,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bar.start()
        self._output.settle = self.settle
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settle()

    def settle(self) -> None:
        """What was drawn is gone, so that a result can be printed; progress that comes later is drawn anew."""
        for task in list(self._tasks):
            self._end(task)
        self._bar.stop()

    def say(self, moved: Moved) -> None:
        """Render one piece of progress."""
        if moved.task == "step":
            self._step(moved)
        elif moved.task == "turn":
            if self._steps:
                self._console.print(f"[bold yellow]↩ turning round:[/] {literal(moved.message)}")
        elif moved.task == "note":
            if self._steps:
                self._console.print(f"[dim]{literal(moved.message)}[/]")
        elif moved.task == "finding":
            # Only for people who wait: the report says it again, with what to do.
            if not self._quiet:
                self._console.print(f"[red]✗[/] {literal(moved.message)}")
        else:
            self._task(moved)

    def _step(self, moved: Moved) -> None:
        state, step = moved.data["state"], moved.data["step"]
        if state == "started":
            self._task(Moved("step", moved.message))
            return
        self._end("step")
        if not self._steps:
            return
        seconds = moved.data.get("seconds")
        timing = f" [dim]{seconds:.1f}s[/]" if seconds is not None else ""
        changes = moved.data.get("phase") not in ("verify", "observe")
        already = " [dim](was done already)[/]" if changes and moved.data.get("changed") is False else ""
        self._console.print(
            f"{_MARKS.get(state, '·')} [bold]{literal(step)}[/] {literal(moved.message)}{timing}{already}"
        )
        for line in (moved.data.get("error") or "").splitlines():
            self._console.print(f"    {literal(line)}")
        gates = moved.data.get("gates", ())
        for gate in gates:
            if gate["outcome"] == "fail" or self._verbose:
                mark = _GATE_MARKS[gate["outcome"]]
                about = f"{literal(gate['gate'])} [bold]{literal(gate['resource'])}[/]"
                self._console.print(f"    {mark} {about} {literal(gate['summary'])}")
        unknown = Counter(g["gate"] for g in gates if g["outcome"] == "unknown")
        if unknown and not self._verbose:
            listed = ", ".join(f"{count} x {literal(gate)}" for gate, count in sorted(unknown.items()))
            self._console.print(f"    {_GATE_MARKS['unknown']} not known: {listed} [dim](-v says why)[/]")

    def _task(self, moved: Moved) -> None:
        if self._quiet:
            return
        if not self._bar.live.is_started:
            self._bar.start()
        if moved.task not in self._tasks:
            self._tasks[moved.task] = self._bar.add_task("", total=moved.total or None)
        label = moved.message if moved.task in ("step", moved.message) else f"{moved.task}: {moved.message}"
        self._bar.update(
            self._tasks[moved.task], description=literal(label[:90]), completed=moved.done, total=moved.total or None
        )
        if moved.total and moved.done >= moved.total:
            self._end(moved.task)

    def _end(self, task: str) -> None:
        if task in self._tasks:
            self._bar.remove_task(self._tasks.pop(task))
