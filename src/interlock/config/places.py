"""YAML with the line of every key."""

from pathlib import Path
from typing import Any

import yaml

from interlock.model.errors import ConfigError, Place

KeyPath = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases (a small file could otherwise grow without end)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not supported", problem_mark=mark)
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> tuple[Any, dict[KeyPath, int]]:
    """The document and, for every key path in it, its line (from 1).

    Raises ``ConfigError`` for a file that is missing, no UTF-8, no YAML, or that repeats a key.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path.name} is not there", remedy="run 'interlock init' in the project's folder") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"{path.name} is not UTF-8", remedy="save the file as UTF-8", place=Place(path.name, line)
        ) from None
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}", remedy="check the file's rights") from None
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise ConfigError(
            f"{path.name} is not valid YAML: it holds the character U+{error.character:04X}",
            remedy="remove that character: an editor that shows control characters finds it",
            place=Place(path.name, line),
        ) from None
    try:
        node = loader.get_single_node()
        lines: dict[KeyPath, int] = {}
        if node is not None:
            _walk(node, (), lines)
        return (loader.construct_document(node) if node is not None else None), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(path.name, mark.line + 1 if mark else 0, column=mark.column + 1 if mark else 0)
        raise ConfigError(
            f"{path.name} is not valid YAML: {error.problem or error.context}",
            remedy=f"look at line {place.line} and the one above it: indentation, colons, quotes",
            place=place,
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path.name} is not valid YAML: {error}", remedy="correct the file") from None
    finally:
        loader.dispose()


def _walk(node: yaml.Node, at: KeyPath, lines: dict[KeyPath, int]) -> None:
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {name!r} stands there twice", problem_mark=key.start_mark)
            seen.add(name)
            lines[(*at, name)] = key.start_mark.line + 1
            _walk(value, (*at, name), lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*at, index), lines)
