"""visnet-aug: background-rewritten person re-identification datasets, exact and reproducible."""

__version__ = "0.1.0"

RELEASED = "2026-11-22"
"""The day of this version, ISO 8601."""
