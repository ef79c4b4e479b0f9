"""What a worker process does: make the files of some items, and say what it wrote."""

from __future__ import annotations

from pathlib import Path

import cv2

from visnet_aug.build.engine import Context, Item
from visnet_aug.build.journal import Written
from visnet_aug.build.passthrough import pass_through
from visnet_aug.build.plan import Task
from visnet_aug.build.render import Renderer
from visnet_aug.datasets.images import read_again
from visnet_aug.datasets.record import ImageRecord
from visnet_aug.files import write_file
from visnet_aug.masks.store import FOLDER, mask_name, read_mask


class Worker:
    """Makes files of one build."""

    def __init__(self, context: Context) -> None:
        # There are as many processes as wanted already; more threads would get in their way.
        cv2.setNumThreads(1)
        self._context = context
        self._renderer = Renderer(context.recipe)

    def make(self, item: Item) -> list[Written]:
        """Make one item's files.

        Returns:
            What was written: one for each image.

        Raises:
            DatasetError: The source vanished or changed since the dataset was read.
            OutputError: The file cannot be written, or the mask cannot be read.
        """
        source = item.source
        data = read_again(source)
        target = self._context.out / item.path
        if not isinstance(item, Task):
            pass_through(source.path, data, target, self._context.passthrough)
            return [Written(item.path, source.sha256, source.width, source.height)]
        mask = read_mask(self._mask_path(source))
        rendered = self._renderer.render(item, data, mask)
        write_file(target, rendered.data)
        return [
            Written(item.path, rendered.sha256, rendered.width, rendered.height, rendered.params)
        ]

    def _mask_path(self, source: ImageRecord) -> Path:
        return self._context.out / FOLDER / f"{mask_name(source.split, source.stem)}.png"
