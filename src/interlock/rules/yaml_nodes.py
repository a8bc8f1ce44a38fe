"""YAML with places: mappings, lists and scalars of the nodes that PyYAML composes."""

from collections.abc import Iterator
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 12
_MOST = 20_000
_NESTED = 500
_MERGE = "tag:yaml.org,2002:merge"
_TRUE = ("true", "yes", "on")
_FALSE = ("false", "no", "off")


def is_broken(text: str) -> bool:
    """Whether a text is no YAML. One that is only nested too deeply to be read is not broken."""
    depth = 0
    try:
        # Events alone: composing nodes of a deep text exhausts libyaml's stack.
        for event in yaml.parse(text, Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _NESTED:
                return False
    except yaml.YAMLError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def line_of(node: yaml.Node) -> int:
    """The line on which a node begins."""
    return int(node.start_mark.line) + 1


def pairs(node: Any) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Key, its node and the value's, of a mapping; of a merge (``<<``) what the mapping does not say itself."""
    if not isinstance(node, yaml.MappingNode):
        return
    own = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
            own.add(key.value)
            yield key.value, key, value
    for key, value in node.value:
        if key.tag == _MERGE:
            for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                for inner_key, inner in one.value if isinstance(one, yaml.MappingNode) else ():
                    if isinstance(inner_key, yaml.ScalarNode) and inner_key.value not in own:
                        own.add(inner_key.value)
                        yield inner_key.value, inner_key, inner


def get(node: Any, *names: str) -> yaml.Node | None:
    """The value under the first of these keys that a mapping has."""
    found: dict[str, yaml.Node] = {key: value for key, _, value in pairs(node)}
    return next((found[name] for name in names if name in found), None)


def each(node: Any) -> list[yaml.Node]:
    """The elements of a list; nothing for anything else."""
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def text(node: Any) -> str:
    """A scalar as it is written; "" for anything else, and for null."""
    if isinstance(node, yaml.ScalarNode) and node.tag != "tag:yaml.org,2002:null":
        return str(node.value)
    return ""


def plain(node: Any) -> Any:
    """JSON for a node. What is nested or repeated (by aliases) beyond all measure is None."""
    return _plain(node, 0, [_MOST])


def _plain(node: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if depth > _DEEPEST or left[0] < 0:
        return None
    if isinstance(node, yaml.SequenceNode):
        return [_plain(one, depth + 1, left) for one in node.value[:2000]]
    if isinstance(node, yaml.MappingNode):
        return {key: _plain(value, depth + 1, left) for key, _, value in pairs(node)}
    return None


def _scalar(node: yaml.ScalarNode) -> Any:
    kind = node.tag.rpartition(":")[2]
    value = str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        lowered = value.lower()
        return True if lowered in _TRUE else False if lowered in _FALSE else value
    if kind == "int":
        try:
            return int(value.replace("_", ""), 0) if len(value) < 20 else value
        except ValueError:
            return value
    return value
