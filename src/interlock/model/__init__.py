"""Frozen data that every layer shares. Imports nothing of Interlock's and does no I/O."""
