"""Text that others wrote, made harmless for a comment in GitHub's or GitLab's Markdown.

It neither ends a table's cell nor begins a list, a heading, a link, a formula or HTML, mentions nobody, and refers to
no issue. All punctuation that could is written as an entity, which Markdown never reads as structure. What a site looks
for after Markdown was read (mentions, references, emoji, addresses) is broken by an invisible word joiner.
"""

import re

from interlock.views.text import clipped, harmless

_JOINER = "\u2060"
_ENTITIES = {ord(sign): f"&#{ord(sign)};" for sign in "&<>`*_{}[]()#!|~\\^@:$.+-=\"'"}
# Between span tags a dollar begins no formula: docs.github.com, "Writing mathematical expressions".
_PROSE = {**_ENTITIES, ord("$"): "<span>&#36;</span>"}
# Signs that are no more than themselves inside a sentence; to spell them out would make every text unreadable.
for _sign in "().+-='\"":
    del _PROSE[ord(_sign)]
_REFERENCE = re.compile(r"[@#!~%&$^:](?=\S)|\bwww(?=\.)|\bGH-(?=\d)", re.IGNORECASE)


def prose(text: object, most: int = 400) -> str:
    """A sentence on one line, ``most`` characters of it."""
    return _REFERENCE.sub(lambda found: found[0] + _JOINER, _one_line(text, most)).translate(_PROSE)


def code(text: object, most: int = 200) -> str:
    """A name or a place on one line as code; "" for none. Sites look for no mentions inside of code."""
    inner = _one_line(text, most).replace("@", f"@{_JOINER}").translate(_ENTITIES)
    return f"<code>{inner}</code>" if inner else ""


def _one_line(text: object, most: int) -> str:
    # Clipped first as well: a text may be larger than the comment by orders of magnitude.
    return clipped(" ".join(harmless(str(text)[: 4 * most]).split()), most)
