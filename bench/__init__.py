"""Benchmarks: each prints our figure beside the floor under it, measured in the same run, and the ratio."""
