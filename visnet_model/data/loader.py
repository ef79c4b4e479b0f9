"""Training batches; the next one is prepared while the network trains on the current one.

The content of a batch only depends on (seed, epoch, step): not on the number of processes, on the
step at which an epoch is resumed, or on where the images are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from visnet_model.data.augment import apply, draw
from visnet_model.data.images import ImageSource
from visnet_model.data.sampler import PKSampler
from visnet_model.data.settings import AugmentationSettings
from visnet_model.data.table import Indices

_STREAM = 2  # separates these draws from the sampler's with the same seed


@dataclass(frozen=True, eq=False)
class Batch:
    """One rank's part of a batch.

    Attributes:
        images: float32 N×3×H×W on the device, normalised, channels_last.
        labels: int64 N on the device, classes of the classifier.
        indices: int64 N, rows of the table.
    """

    images: Tensor
    labels: Tensor
    indices: Indices


class TrainingLoader:
    """Sampler, images and augmentation together; a thread prepares the next batch.

    Args:
        images: The images whose rows the sampler deals.
        labels: N classes of the classifier.
        sampler: Deals the batches.
        augmentation: Random transforms.
        device: Device of the batches.
        seed: Seed of the augmentation, at least 0.
        rank: This process, from 0.
        world: Number of processes, each of which takes a part of every batch.

    Raises:
        DatasetError: The identities of a batch cannot be divided among the processes.
    """

    def __init__(
        self,
        images: ImageSource,
        labels: npt.ArrayLike,
        sampler: PKSampler,
        augmentation: AugmentationSettings,
        *,
        device: torch.device | str = "cpu",
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._images = images
        self._labels = np.asarray(labels, np.int64)
        self._sampler = sampler
        self._augmentation = augmentation
        self._device = torch.device(device)
        self._seed = seed
        self._share = sampler.share(rank, world)
        self._global = sampler.identities * sampler.num_instances

    def __len__(self) -> int:
        """Return the number of batches in an epoch, the same in every epoch."""
        return len(self._sampler)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch.

        Args:
            number: The epoch, from 0.
            start: The first batch to yield.

        Raises:
            DatasetError: An image cannot be read.
            WorkerError: A process that reads images was killed.
        """
        plan = self._sampler.epoch(number)[start:]
        mine = [batch[self._share] for batch in plan]
        images = self._images.batches(mine)

        def prepare(place: int) -> Batch:
            return self._batch(next(images), mine[place], number, start + place)

        torch.get_num_threads()  # fixes the number for this thread; it would become 1 otherwise
        pool = ThreadPoolExecutor(1, "batches", _begin_thread, (self._device,))
        try:
            coming = pool.submit(prepare, 0) if mine else None
            for place in range(1, len(mine) + 1):
                assert coming is not None
                batch = coming.result()
                coming = pool.submit(prepare, place) if place < len(mine) else None
                yield batch
        finally:
            pool.shutdown(cancel_futures=True)

    def _batch(self, images: Tensor, indices: Indices, epoch: int, step: int) -> Batch:
        if self._device.type == "cuda" and images.device.type == "cpu":
            images = images.pin_memory().to(self._device, non_blocking=True)
        rng = np.random.default_rng((_STREAM, self._seed, epoch, step))
        size = (images.shape[2], images.shape[3])
        draws = draw(self._augmentation, size, self._global, rng).part(self._share)
        return Batch(
            images=apply(images, draws, self._augmentation),
            labels=torch.from_numpy(self._labels[indices]).to(self._device, non_blocking=True),
            indices=indices,
        )


def _begin_thread(device: torch.device) -> None:
    """Set thread-local state: one core, because the training uses them all, and the GPU."""
    torch.set_num_threads(1)
    if device.type == "cuda":
        torch.cuda.set_device(device)
