"""Imports that are kept from what they would do beside: import torch, ask a server."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_torch() -> Iterator[None]:
    """Keep what is imported inside from importing torch, unless somebody has imported it already.

    It finds torch missing, and must be prepared for that. Later imports of torch work as ever.
    """
    if "torch" in sys.modules:
        yield
        return
    with temporary_entry(sys.modules, "torch", None):  # makes ``import torch`` an ImportError
        yield


@contextmanager
def temporary_entry(mapping: MutableMapping[str, Any], key: str, value: object) -> Iterator[None]:
    """Set one entry of a mapping for a while."""
    before = {key: mapping[key]} if key in mapping else {}
    mapping[key] = value
    try:
        yield
    finally:
        del mapping[key]
        mapping.update(before)
