"""Structured Streaming queries: versioned artifacts; a running query is not handed over."""

from interlock.adapters.spark_stream.adapter import SparkStreamAdapter

__all__ = ["SparkStreamAdapter"]
