"""visnet-aug: background-rewritten person re-identification datasets, exact and reproducible."""

__version__ = "0.1.0"
