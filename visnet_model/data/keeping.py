"""Where images are kept while a network works through them: in memory, or as files."""

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
"""Where a container's limit stands (cgroup v2); ``/proc/meminfo`` has the whole machine's."""

SHARE = 0.4
"""Of the free memory, so much may go into one table's images: a query and a gallery come, too."""


def open_images(
    table: ImageTable,
    data: DataSettings,
    keeping: Keeping,
    device: torch.device,
    stage: Stage,
    name: str,
) -> ImageSource:
    """Open a table's images at the network's input size.

    Args:
        table: Which images.
        data: Their size.
        keeping: ``memory`` decodes all of them once, and puts them on a GPU if that is the device;
            ``files`` decodes them again and again; ``auto`` is memory where it holds them.
        device: Where the network is.
        stage: Shows the progress of decoding.
        name: What it calls that.

    Raises:
        DataError: Images are missing or cannot be decoded (``files`` finds that out later).
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
    """Return the bytes of main memory that can be had; where nobody says, half of all."""
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:  # not Linux
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    # What is free leaves out the page cache, which goes when memory is wanted.
    available = next(line for line in lines if line.startswith("MemAvailable:"))
    return min(int(available.split()[1]) * 1024, _free_in_container())


def _free_in_container() -> float:
    """Return the bytes that a container's limit leaves; infinite where there is none."""
    try:
        limit = (CONTAINER / "memory.max").read_text().strip()
        lines = (CONTAINER / "memory.stat").read_text().splitlines()
    except OSError:  # no container, or an older kind that says it elsewhere
        return float("inf")
    if limit == "max":
        return float("inf")
    used = dict(line.split() for line in lines)
    return int(limit) - int(used["anon"])
