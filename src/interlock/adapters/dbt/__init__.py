"""dbt models, seeds and snapshots: candidates beside production, gates, one transaction that switches all of them."""

from interlock.adapters.dbt.adapter import DbtAdapter

__all__ = ["DbtAdapter"]
