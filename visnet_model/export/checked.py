"""Exported files get their name only after they have been tried out."""

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
"""Sizes of the batches that an exported network is tried with."""

_GRAIN = 16  # pixels from one random colour to the next

Checked = TypeVar("Checked")


def check_target(path: Path) -> None:
    """Check that a file could be written, before the work for it is done.

    Raises:
        OutputError: Its folder is not there, or it is a folder itself.
    """
    if not path.parent.is_dir():
        raise OutputError(f"{path}: its folder {path.parent} is not there; make it first")
    if path.is_dir():
        raise OutputError(f"{path}: a folder; give the name of a file")


def write_checked(path: Path, data: bytes, check: Callable[[Path], Checked]) -> Checked:
    """Write a file under a temporary name, check it, and rename it.

    Args:
        path: The file; replaced if it is there and the new one passes. Its folder must exist.
        data: Its content.
        check: Called with the temporary file; raises if that must not be used.

    Returns:
        What ``check`` returned.

    Raises:
        OutputError: It cannot be written. As with any error of ``check``, what was there before
            still is, and nothing beside it.
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
    """Yield random inputs of all `BATCHES`, always the same ones, as the network takes them.

    They are smooth like photographs. White noise looks all the same to a network: embeddings of
    different images would hardly differ.
    """
    generator = torch.Generator().manual_seed(0)
    size = (description.height, description.width)
    for batch in BATCHES:
        cells = (batch, 3, *(pixels // _GRAIN + 1 for pixels in size))
        smooth = F.interpolate(torch.rand(cells, generator=generator), size, mode="bilinear")
        images = smooth.mul(255).to(torch.uint8)
        yield images if description.normalise else normalise(images).contiguous()
