"""Where a result comes from: checksums of files, versions of packages, the machine's name."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from visnet_aug.errors import DatasetError
from visnet_aug.files import sha256_of_file

PACKAGES = ("visnet", "torch", "torchvision", "numpy", "pillow")
"""The packages whose versions can change results."""


def checksum(path: Path) -> str:
    """Return the SHA-256 of an input file as 64 hex digits.

    Raises:
        DatasetError: The file cannot be read.
    """
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror})") from error


def versions() -> dict[str, str]:
    """Return the versions of Python and of `PACKAGES`."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # runs from its sources
            found[package] = "unknown"
    return found


def device_name(device: torch.device) -> str:
    """Return a device with the name of its chip."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({_processor()}, {torch.get_num_threads()} threads)"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
