"""Images to embeddings, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visnet_model.data.augment import normalise
from visnet_model.data.images import ImageSource
from visnet_model.errors import ModelError
from visnet_model.precision import Precision, autocast

Embeddings: TypeAlias = npt.NDArray[np.float32]
Indices: TypeAlias = npt.NDArray[np.int64]

BATCH_SIZE = 64


def embed(
    network: nn.Module,
    images: ImageSource,
    *,
    device: torch.device | str = "cpu",
    indices: Indices | None = None,
    batch_size: int = BATCH_SIZE,
    flip: bool = False,
    precision: Precision = "fp32",
    progress: Callable[[int, int], object] | None = None,
) -> Embeddings:
    """Embed images, each resized and normalised only.

    Args:
        network: VisNet, or any module that gives N×D in eval mode; on ``device``. Its mode is put
            back afterwards.
        images: Where the images come from.
        device: Where the network is.
        indices: Which images of the source, in which order; all of them by default.
        batch_size: Images embedded at once.
        flip: Average each embedding with that of the mirrored image.
        precision: What the network computes in; unit norm is computed in fp32 for all.
        progress: Called with the images done and their total after each batch.

    Returns:
        float32 N×D of unit norm, in the order of ``indices``.

    Raises:
        ModelError: The device's memory does not hold a batch.
    """
    chosen = np.arange(len(images)) if indices is None else indices
    device = torch.device(device)
    plan = [chosen[start : start + batch_size] for start in range(0, len(chosen), batch_size)]
    parts: list[Embeddings] = []
    done = 0
    with _evaluating(network), torch.inference_mode():
        for batch in images.batches(plan):
            try:
                with autocast(device, precision):
                    embeddings = _embed_batch(network, batch.to(device), flip)
            except torch.OutOfMemoryError as error:
                raise ModelError(
                    f"{device}: not enough memory for a batch of {batch_size} images; "
                    "take a smaller --batch-size"
                ) from error
            parts.append(embeddings.cpu().numpy())
            done += len(batch)
            if progress is not None:
                progress(done, len(chosen))
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def _embed_batch(network: nn.Module, images: Tensor, flip: bool) -> Tensor:
    """Return fp32 N×D of unit norm for uint8 N×3×H×W on the network's device."""
    inputs = normalise(images)
    embeddings: Tensor = network(inputs)
    if flip:
        embeddings = embeddings + network(inputs.flip(-1))
    return F.normalize(embeddings.float())


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into eval mode, and back into the mode it was in."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
