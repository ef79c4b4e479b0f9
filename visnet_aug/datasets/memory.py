"""Refuses a dataset that this machine's memory cannot hold, before the machine starts to swap."""

from __future__ import annotations

import os
from typing import Final

from visnet_aug.errors import DatasetError

BYTES_PER_IMAGE: Final = 1_700
"""Peak memory of reading, for each image, measured by ``benchmarks/reading_memory.py``."""


def check_memory(images: int) -> None:
    """Check that a dataset of so many images can be read on this machine.

    Raises:
        DatasetError: It would take more memory than there is; the message has the arithmetic.
    """
    memory = _physical_memory()
    needed = images * BYTES_PER_IMAGE
    if memory is not None and needed > memory:
        raise DatasetError(
            f"{images:,} images or more take {BYTES_PER_IMAGE:,} bytes each to be read, "
            f"{needed / 1e9:.1f} GB, and this machine has {memory / 1e9:.1f} GB; read a part of "
            "the dataset, or use a larger machine"
        )


def _physical_memory() -> int | None:
    """Return the machine's memory in bytes; ``None`` where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
