"""Imports without their side effects: without importing torch, without asking a server."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_torch() -> Iterator[None]:
    """Prevent modules that are imported inside from importing torch, unless it is imported already.

    To them torch is not installed, which they must be able to handle. Later imports of torch work
    as usual.
    """
    if "torch" in sys.modules:
        yield
        return
    with temporary_entry(sys.modules, "torch", None):  # makes ``import torch`` an ImportError
        yield


@contextmanager
def temporary_entry(mapping: MutableMapping[str, Any], key: str, value: object) -> Iterator[None]:
    """Set one entry of a mapping, and restore it at the end."""
    before = {key: mapping[key]} if key in mapping else {}
    mapping[key] = value
    try:
        yield
    finally:
        del mapping[key]
        mapping.update(before)
