"""interlock.yaml: typed, with errors that name file, line and key."""

from interlock.config.load import load_config
from interlock.config.models import (
    AirflowSection,
    AirflowTarget,
    CompareGate,
    DbtSection,
    DbtTarget,
    Environment,
    FreshnessGate,
    GatePolicy,
    ProjectConfig,
    RuntimeConfig,
    SparkSection,
    SparkTarget,
    TerraformSection,
    ValueDeclaration,
    Warehouse,
)

__all__ = [
    "AirflowSection",
    "AirflowTarget",
    "CompareGate",
    "DbtSection",
    "DbtTarget",
    "Environment",
    "FreshnessGate",
    "GatePolicy",
    "ProjectConfig",
    "RuntimeConfig",
    "SparkSection",
    "SparkTarget",
    "TerraformSection",
    "ValueDeclaration",
    "Warehouse",
    "load_config",
]
