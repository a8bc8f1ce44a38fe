"""Findings and checks for tests of reports, and texts that try to break them."""

from collections.abc import Iterable

from interlock.engine.checking import Checked
from interlock.model.errors import Place
from interlock.model.findings import Compared, Finding, NotChecked, Severity

# What terminals, XML, Markdown, HTML and workflow commands would take for their own.
HOSTILE = (
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "".join(map(chr, range(0x20))) + "\x7f\x85\x9b2J\ufffe\uffff",
    "half \udcff\ud800 characters \u202e turned \u2028 round",
    "]]></system-out><failure/><!-- & &amp; &#0; <b onclick='x()'>\"",
    "| a | b |\n|---|---|\n\n# heading\n\n- [ ] item\n\n```\ncode\n",
    "`code` ``more`` ```fence``` ~~~ ~~gone~~ **bold** __bold__ *em* _em_ ![i](http://evil.example/i.png)",
    "[link](http://evil.example) <http://evil.example> https://evil.example www.evil.example eve@evil.example",
    "@octocat @org/team #1 org/repo#2 GH-3 !4 :tada: $\\frac{1}{2}$ $`x`$ \\| \\",
    "</details></table><script>alert(1)</script><details><summary>",
    "::error file=x::fake\n::set-output name=x::y\r\n::stop-commands::z ##[error]fake %0A%3A",
    "[bold]markup[/] [link=http://evil.example]x[/link] {0} {{ jinja }}",
    "x" * 300_000,
    "\n" * 5000 + "@eve " * 5000,
    "",
)


def finding(severity: Severity = Severity.ERROR, path: str = "dags/a.py", line: int = 1, **more) -> Finding:
    """A finding with what it must have; further fields by name."""
    fields = {"rule": "ILK-AF001", "summary": "it does not import", "remedy": "mend it", **more}
    return Finding(severity=severity, place=Place(path, line, *more.pop("end", ())), **fields)


def checked(*findings: Finding, not_checked: Iterable[NotChecked] = (), **more) -> Checked:
    """A check that found this."""
    fields = {"timings": {"total": 1.5}, "resources": 3, **more}
    return Checked(tuple(findings), tuple(not_checked), **fields)


def hostile_check(text: str) -> Checked:
    """A check in which every text that comes from a project is this one: new, old, waived, with a root, without."""
    fields = {
        "summary": text,
        "remedy": text,
        "resource": text,
        "detail": text,
        "affected": (text, text + "2", f"dbt.model:{text}"),
        "against": (Compared(text, text, text, text), Compared(text, text, text, text, text), Compared(commit=text)),
    }
    root = finding(path=text, **fields)
    follows = finding(path=text + "2", line=0, caused_by=root.key, **fields)
    return checked(
        root,
        follows,
        finding(Severity.WARNING, path=text, rule=text, **fields),
        finding(Severity.INFO, path=text, new=False, **fields),
        finding(path=text, waived=f"{text} (until 2027-01-31)", **fields),
        not_checked=[NotChecked(text, text)],
        base=text,
        compared_with=(Compared(commit=text), Compared(text, text, text, text), Compared(text)),
    )
