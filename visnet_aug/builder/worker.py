"""What a worker process does: makes the files of some items, and returns what it wrote.

This module is imported once by the process that workers are forked from, so that none of them
imports again. It keeps Albumentations from importing torch (0.45 s and 97 MB instead of 1.4 s and
630 MB) and freezes the garbage collector, so that workers share what was imported.

Untouched images (query, gallery, originals) are cloned where the file system can (Btrfs, XFS, ...):
a clone takes no space until either file changes. Elsewhere they are written byte for byte. Links
are optional, because an edit of the output would change the source.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from visnet_aug.backgrounds.loading import load_albumentations

load_albumentations(torch=False)  # before anything else imports it

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from visnet_aug.builder.engine import Context, Item, Passthrough  # noqa: E402
from visnet_aug.builder.journal import Written, WrittenFile, WrittenShard  # noqa: E402
from visnet_aug.builder.packing import Sample, Shard, StoppedError, write_shard  # noqa: E402
from visnet_aug.builder.plan import Planned, Task  # noqa: E402
from visnet_aug.builder.render import Renderer  # noqa: E402
from visnet_aug.builder.rows import make_row  # noqa: E402
from visnet_aug.datasets.images import read_again  # noqa: E402
from visnet_aug.datasets.record import ImageRecord  # noqa: E402
from visnet_aug.errors import OutputError  # noqa: E402
from visnet_aug.files import replace_file, write_file  # noqa: E402
from visnet_aug.manifest import ManifestRow  # noqa: E402
from visnet_aug.masks.png import encode_mask  # noqa: E402
from visnet_aug.masks.store import FOLDER, mask_name, read_mask  # noqa: E402

try:
    import fcntl
except ImportError:  # Windows: nothing to clone with
    fcntl = None  # type: ignore[assignment]

FICLONE: Final = 0x40049409
"""Linux' ioctl that makes a file share another's blocks (``linux/fs.h``)."""

_unclonable: set[Path] = set()
"""Source folders from which this process failed to clone a file. It does not try again there, which
would take a quarter of the time."""


class Worker:
    """Makes files of one build.

    Args:
        context: What all items of it share.
        stopped: Tells whether the run is ending: a shard is then left unfinished.
    """

    def __init__(self, context: Context, stopped: Callable[[], bool] = lambda: False) -> None:
        # There are as many processes as wanted; more threads would slow them down.
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
        """Return an image's file, and what is known of it."""
        source = image.source
        data = read_again(source)
        if not isinstance(image, Task):
            return data, Written(image.path, source.sha256, source.width, source.height)
        mask = read_mask(self._mask_path(source), (source.height, source.width))
        made = self._renderer.render(image, data, mask)
        return made.data, Written(image.path, made.sha256, made.width, made.height, made.params)

    def _pack(self, shard: Shard) -> WrittenShard:
        """Write a shard, image by image."""
        images: list[Written] = []

        def samples() -> Iterator[Sample]:
            for member in shard.members:
                if self._stopped():
                    raise StoppedError
                data, written = self._make_image(member.image)
                images.append(replace(written, path=member.path))
                row = make_row(member.image, images[-1], member.provenance)
                yield Sample(data, row, self._mask_file(row))

        sha256 = write_shard(self._context.out / shard.path, samples())
        return WrittenShard(shard.path, sha256, tuple(images))

    def _mask_file(self, row: ManifestRow) -> bytes:
        """Return an image's mask as PNG; a black one where there is no usable mask."""
        shape = row.height, row.width
        if row.mask is None:
            return encode_mask(np.zeros(shape, np.bool_))
        return encode_mask(read_mask(self._context.out / row.mask, shape))

    def _mask_path(self, source: ImageRecord) -> Path:
        return self._context.out / FOLDER / f"{mask_name(source.split, source.stem)}.png"


def pass_through(source: Path, data: bytes, target: Path, how: Passthrough) -> None:
    """Put a source file under another path, replacing what is there.

    Args:
        source: The file.
        data: Its bytes as they were read, which a clone has even if the source changed since.
        target: Where it goes; the folder must exist.
        how: ``clone``, ``hardlink`` or ``symlink``.

    Raises:
        OutputError: The target cannot be written.
    """
    if how == "clone":
        replace_file(target, lambda file: _clone_or_write(file, source, data))
    elif how == "hardlink":
        _link(target, lambda: target.hardlink_to(source), how)
    else:
        _link(target, lambda: target.symlink_to(source), how)


def _clone_or_write(file: BinaryIO, source: Path, data: bytes) -> None:
    if not _cloned(file, source, data):
        file.write(data)


def _cloned(file: BinaryIO, source: Path, data: bytes) -> bool:
    """Clone a file, if the file system can and the bytes are those read before."""
    folder = source.parent
    if fcntl is None or folder in _unclonable:
        return False
    try:
        with source.open("rb") as original:
            fcntl.ioctl(file.fileno(), FICLONE, original.fileno())
            if original.read() == data:
                return True
    except OSError:  # another file system, or one that cannot: each has its own error number
        _unclonable.add(folder)
        return False
    file.truncate(0)  # the source changed since
    return False


def _link(target: Path, link: Callable[[], None], how: Passthrough) -> None:
    """Make a link. It appears in one step, so that it needs no temporary name."""
    try:
        target.unlink(missing_ok=True)
        link()
    except OSError as error:
        raise OutputError(
            f"{target}: cannot make a {how} ({error.strerror}); use --passthrough clone"
        ) from error


# What is imported stays: workers need not search it for garbage, which also keeps it shared.
gc.freeze()
