"""What a worker process does: one batch of images to masks on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from visnet_aug.datasets.images import decode_known, read_again
from visnet_aug.datasets.record import ImageRecord
from visnet_aug.masks.person import PersonMask
from visnet_aug.masks.store import MaskEntry, mask_name, save_mask

if TYPE_CHECKING:
    from visnet_aug.masks.segmenter import Segmenter

Image: TypeAlias = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class MaskBatch:
    """Images that go through the network together.

    Attributes:
        records: All of them, in order.
        keys: `mask_key` by `mask_name` of those whose masks are wanted.
    """

    records: tuple[ImageRecord, ...]
    keys: Mapping[str, str]


class MaskWorker:
    """Computes and stores masks of one output folder."""

    def __init__(self, segmenter: Segmenter, out: Path) -> None:
        """Prepare for batches.

        With a segmenter on a GPU, threads decode and store; on processors, there are as many
        processes as wanted already.
        """
        cv2.setNumThreads(1)
        self._segmenter, self._out = segmenter, out
        self._map: Callable[..., Iterable[Any]] = (
            map if segmenter.on_cpu else ThreadPoolExecutor(thread_name_prefix="images").map
        )

    def mask(self, batch: MaskBatch) -> list[MaskEntry]:
        """Compute a batch, and store those of its masks that are wanted.

        Raises:
            DatasetError: An image changed or vanished since the dataset was read.
            OutputError: The output folder cannot be written.
        """
        images = list(self._map(_decode, batch.records))
        found = zip(batch.records, self._segmenter.segment(images), strict=True)
        wanted = [(r, m) for r, m in found if mask_name(r.split, r.stem) in batch.keys]

        def save(record: ImageRecord, mask: PersonMask) -> MaskEntry:
            name = mask_name(record.split, record.stem)
            return save_mask(self._out, name, record.sha256, batch.keys[name], mask)

        return list(self._map(save, *zip(*wanted, strict=True)))


def _decode(record: ImageRecord) -> Image:
    return decode_known(read_again(record))
