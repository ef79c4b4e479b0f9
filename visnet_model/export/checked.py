"""Exported files get their name only after they have been tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from visnet_aug.errors import OutputError
from visnet_aug.files import cannot, part_of
from visnet_model.data.augment import normalise
from visnet_model.export.description import Description

BATCHES = (1, 3, 7)
"""Sizes of the batches that an exported network is tested with."""

_GRAIN = 16  # pixels between two random colours

Checked = TypeVar("Checked")


def check_target(path: Path) -> None:
    """Check that a file can be written, before doing the work for it.

    Raises:
        OutputError: Its folder does not exist, or it is a folder itself.
    """
    if not path.parent.is_dir():
        raise OutputError(f"{path}: its folder {path.parent} does not exist; make it first")
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give the name of a file")


def write_checked(path: Path, data: bytes, check: Callable[[Path], Checked]) -> Checked:
    """Write a file under a temporary name, check it, and rename it.

    Args:
        path: The file; an existing one is replaced if the new one passes. Its folder must exist.
        data: The content.
        check: Called with the temporary file; raises an error if it must not be used.

    Returns:
        The return value of ``check``.

    Raises:
        OutputError: The file cannot be written. As with any error of ``check``, an existing file is
            unchanged, and no temporary file is left.
    """
    part = part_of(path)
    try:
        part.write_bytes(data)
        checked = check(part)
        part.replace(path)
    except OSError as error:
        raise cannot("written", path, error) from error
    finally:
        part.unlink(missing_ok=True)
    return checked


def trial_inputs(description: Description) -> Iterator[Tensor]:
    """Yield inputs of the network in all sizes of `BATCHES`; random, but always the same.

    They are smooth like photographs. Images of white noise would have nearly equal embeddings.
    """
    generator = torch.Generator().manual_seed(0)
    size = (description.height, description.width)
    for batch in BATCHES:
        cells = (batch, 3, *(pixels // _GRAIN + 1 for pixels in size))
        smooth = F.interpolate(torch.rand(cells, generator=generator), size, mode="bilinear")
        images = smooth.mul(255).to(torch.uint8)
        yield images if description.normalise else normalise(images).contiguous()
