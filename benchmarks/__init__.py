"""Benchmark scripts; every measured number in the documentation comes from one of them."""
