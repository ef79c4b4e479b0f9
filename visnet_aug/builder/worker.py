"""What a worker process does: make the files of some items, and say what it wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from visnet_aug.builder.engine import Context, Item
from visnet_aug.builder.journal import Written, WrittenFile, WrittenShard
from visnet_aug.builder.packing import Shard
from visnet_aug.builder.passthrough import pass_through
from visnet_aug.builder.plan import Planned, Task
from visnet_aug.builder.render import Renderer
from visnet_aug.builder.rows import make_row
from visnet_aug.builder.tars import Sample, StoppedError, write_shard
from visnet_aug.datasets.record import ImageRecord
from visnet_aug.datasets.sources import read_again
from visnet_aug.files import cannot, write_file
from visnet_aug.manifest import ManifestRow
from visnet_aug.masks.png import encode_mask
from visnet_aug.masks.store import FOLDER, mask_name, read_mask


class Worker:
    """Makes files of one build.

    Args:
        context: What all items of it share.
        stopped: Whether the run is at its end: a shard is then left unfinished.
    """

    def __init__(self, context: Context, stopped: Callable[[], bool] = lambda: False) -> None:
        # There are as many processes as wanted already; more threads would get in their way.
        cv2.setNumThreads(1)
        self._context = context
        self._stopped = stopped
        self._renderer = Renderer(context.recipe)

    def make(self, item: Item) -> list[WrittenFile]:
        """Make one item's files.

        Returns:
            What was written.

        Raises:
            DatasetError: The source vanished or changed since the dataset was read.
            OutputError: The file cannot be written, or the mask cannot be read.
            StoppedError: The run ended before a shard was finished.
        """
        if isinstance(item, Shard):
            return [self._pack(item)]
        data, written = self._make_image(item)
        target = self._context.out / item.path
        if isinstance(item, Task):
            write_file(target, data)
        else:
            pass_through(item.source.path, data, target, self._context.passthrough)
        return [written]

    def _make_image(self, image: Planned) -> tuple[bytes, Written]:
        """Return an image's file, and what will be known of it."""
        source = image.source
        data = read_again(source)
        if not isinstance(image, Task):
            return data, Written(image.path, source.sha256, source.width, source.height)
        mask = read_mask(self._mask_path(source))
        made = self._renderer.render(image, data, mask)
        return made.data, Written(image.path, made.sha256, made.width, made.height, made.params)

    def _pack(self, shard: Shard) -> WrittenShard:
        """Write a shard, an image after the other."""
        images: list[Written] = []

        def samples() -> Iterator[Sample]:
            for member in shard.members:
                if self._stopped():
                    raise StoppedError
                data, written = self._make_image(member.image)
                images.append(replace(written, path=member.path))
                row = make_row(member.image, images[-1], member.facts)
                yield Sample(data, row, self._mask_file(row))

        sha256 = write_shard(self._context.out / shard.path, samples())
        return WrittenShard(shard.path, sha256, tuple(images))

    def _mask_file(self, row: ManifestRow) -> bytes:
        """Return an image's mask as PNG; a black one where no usable one is known."""
        if row.mask is None:
            return encode_mask(np.zeros((row.height, row.width), np.bool_))
        path = self._context.out / row.mask
        try:
            return path.read_bytes()
        except OSError as error:
            raise cannot("read", path, error) from error

    def _mask_path(self, source: ImageRecord) -> Path:
        return self._context.out / FOLDER / f"{mask_name(source.split, source.stem)}.png"
