"""Releases: content-addressed bundles of one commit, their stores and their archives."""
