"""What the versions of a schema promise each other, in the words of schema registries."""

from enum import StrEnum

# How the names of schema files end: Avro, Protobuf, JSON Schema.
ENDINGS = (".avsc", ".proto", ".schema.json", ".json")


class Mode(StrEnum):
    """The compatibility that a subject promises. ``_TRANSITIVE``: with every earlier version, not only the last."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def backward(self) -> bool:
        """Whether the new schema must read what was written with an earlier one."""
        return self.startswith(("BACKWARD", "FULL"))

    @property
    def forward(self) -> bool:
        """Whether an earlier schema must read what is written with the new one."""
        return self.startswith(("FORWARD", "FULL"))

    @property
    def transitive(self) -> bool:
        """Whether every earlier version counts."""
        return self.endswith("_TRANSITIVE")
