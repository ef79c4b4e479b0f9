"""Images to embeddings, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visnet_aug.progress import Advance
from visnet_model.data.augment import normalise
from visnet_model.data.images import ImageSource
from visnet_model.errors import DeviceMemoryError, TrainingError
from visnet_model.precision import Precision, autocast

Embeddings: TypeAlias = npt.NDArray[np.float32]
Indices: TypeAlias = npt.NDArray[np.int64]

BATCH_SIZE = 64

NORM_TOLERANCE = 1e-3
"""Maximum difference of an embedding's norm from 1."""


def embed_images(
    network: nn.Module,
    images: ImageSource,
    *,
    device: torch.device | str = "cpu",
    indices: Indices | None = None,
    batch_size: int = BATCH_SIZE,
    flip: bool = False,
    precision: Precision = "fp32",
    progress: Advance | None = None,
) -> Embeddings:
    """Embed images, which are only resized and normalised.

    Args:
        network: VisNet, or any module that returns N×D in eval mode; on ``device``. It is left in
            the mode that it was in.
        images: The images.
        device: The network's device.
        indices: Rows of the images to embed, in this order; all by default.
        batch_size: Number of images embedded at once.
        flip: Whether to average each embedding with that of the mirrored image.
        precision: What the network computes in; the norm is always computed in fp32.
        progress: Called with the number of images embedded and the total after each batch.

    Returns:
        float32 N×D of unit norm, in the order of ``indices``.

    Raises:
        DeviceMemoryError: The device does not have enough memory for a batch.
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
                raise DeviceMemoryError(
                    f"{device}: not enough memory for a batch of {batch_size} images; "
                    "use a smaller --batch-size"
                ) from error
            parts.append(embeddings.cpu().numpy())
            done += len(batch)
            if progress is not None:
                progress(done, len(chosen))
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)


def check_unit_norm(embeddings: Embeddings, names: Sequence[str] | npt.NDArray[np.str_]) -> None:
    """Refuse the embeddings of a network whose training diverged.

    Args:
        embeddings: N×D.
        names: N names of the images.

    Raises:
        TrainingError: The norm of an embedding is not 1: it is NaN, infinite or zero.
    """
    norms = np.linalg.norm(embeddings, axis=1)
    broken = np.flatnonzero(~(np.abs(norms - 1) <= NORM_TOLERANCE))  # comparisons with NaN fail
    if broken.size:
        raise TrainingError(
            f"{names[int(broken[0])]}: its embedding has norm {norms[broken[0]]:.4g} instead of 1, "
            f"like {broken.size:,} of {len(norms):,}: the network's training diverged; use an "
            "earlier checkpoint"
        )


def _embed_batch(network: nn.Module, images: Tensor, flip: bool) -> Tensor:
    """Return fp32 N×D of unit norm for uint8 N×3×H×W on the network's device."""
    inputs = normalise(images)
    embeddings: Tensor = network(inputs)
    if flip:
        embeddings = embeddings + network(inputs.flip(-1))
    return F.normalize(embeddings.float())


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into eval mode, and back into its mode afterwards."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
