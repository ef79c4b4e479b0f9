"""Whether images are kept in memory or read from their files each time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeAlias

import torch

from visnet_aug.progress import Stage
from visnet_model.data.images import FileImages, ImageSource, MemoryImages, memory_needed
from visnet_model.data.settings import DataSettings
from visnet_model.data.table import ImageTable

Keeping: TypeAlias = Literal["auto", "memory", "files"]

MEMINFO = Path("/proc/meminfo")
CONTAINER = Path("/sys/fs/cgroup")
"""The folder with a container's memory limit (cgroup v2); ``/proc/meminfo`` ignores it."""

SHARE = 0.4
"""Fraction of the free memory that the images of one table may take; there are several tables."""


def open_images(
    table: ImageTable,
    data: DataSettings,
    keeping: Keeping,
    device: torch.device,
    stage: Stage,
    name: str,
) -> ImageSource:
    """Open the images of a table at the network's input size.

    Args:
        table: The images.
        data: The input size.
        keeping: ``memory`` decodes all images once, and moves them to the GPU if the network is
            there and they fit; ``files`` decodes them each time; ``auto`` is ``memory`` if they
            fit.
        device: The network's device.
        stage: Shows the progress of decoding.
        name: Name of that stage.

    Raises:
        DatasetError: Images are missing or cannot be decoded (with ``files``, raised when they are
            read).
    """
    size = (data.height, data.width)
    needed = memory_needed(table, *size)
    if keeping == "files" or (keeping == "auto" and needed > SHARE * _free_memory()):
        return FileImages(table, *size)
    with stage(name) as advance:
        images = MemoryImages.load(table, *size, advance)
    if device.type == "cuda" and needed < SHARE * torch.cuda.mem_get_info(device)[0]:
        return images.to(device)
    return images


def _free_memory() -> float:
    """Return the available memory in bytes; half of all memory where the system does not tell."""
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:  # not Linux
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    # MemFree leaves out the page cache, which the system drops when memory is needed.
    available = next(line for line in lines if line.startswith("MemAvailable:"))
    return min(int(available.split()[1]) * 1024, _free_in_container())


def _free_in_container() -> float:
    """Return the bytes left within a container's memory limit; infinite without a limit."""
    try:
        limit = (CONTAINER / "memory.max").read_text().strip()
        lines = (CONTAINER / "memory.stat").read_text().splitlines()
    except OSError:  # no container, or cgroup v1
        return float("inf")
    if limit == "max":
        return float("inf")
    used = dict(line.split() for line in lines)
    return int(limit) - int(used["anon"])
