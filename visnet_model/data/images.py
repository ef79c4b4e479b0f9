"""Image sources: batches of uint8 images at the network's input size, wherever they are kept.

In memory every file is decoded once; from files, in every epoch, by worker processes. Both give
the same pixels: Pillow decodes, torchvision's antialiased bilinear resize brings to size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms.v2 import functional as F

from visnet_aug.datasets.images import DECODER_ERRORS
from visnet_aug.processes import follow_main, worker_context
from visnet_aug.progress import Advance
from visnet_model.data.table import ImageTable, Indices
from visnet_model.errors import DataError

_Decoded: TypeAlias = Tensor | list[str]
"""A batch, or what cannot be read of it."""

_DECODER_ERRORS = (*DECODER_ERRORS, Image.DecompressionBombError)
_NAMED = 3  # broken files named in an error; the others are counted
_REPORTED = 256  # images between two calls of a progress


class ImageSource(Protocol):
    """N images of one table, by their rows."""

    def __len__(self) -> int:
        """Return N."""
        ...

    def batch(self, indices: Indices) -> Tensor:
        """Return uint8 images B×3×height×width of B rows, on the source's own device."""
        ...

    def batches(self, plan: Sequence[Indices]) -> Iterator[Tensor]:
        """Yield one batch after the other, as `batch` would; a source may work ahead."""
        ...


class MemoryImages:
    """A whole table decoded in memory, on the host or on a GPU.

    Images of one size not above the input size are kept as they are and brought to size batch by
    batch (64×128 crops for an input of 128×256 take a quarter of the memory); others are resized
    when loaded.

    Args:
        pixels: uint8 N×3×h×w.
        height: Of the input, pixels.
        width: Of the input, pixels.
    """

    def __init__(self, pixels: Tensor, height: int, width: int) -> None:
        self._pixels = pixels
        self._size = [height, width]

    @classmethod
    def load(
        cls, table: ImageTable, height: int, width: int, progress: Advance | None = None
    ) -> MemoryImages:
        """Decode a table.

        Args:
            table: Which images.
            height: Of the input, pixels.
            width: Of the input, pixels.
            progress: Called now and then.

        Raises:
            DataError: Files are missing or cannot be decoded.
        """
        native = _native_size(table, height, width)
        pixels = native and _decode_all(table, native, progress, resize=False)
        if pixels is None:  # too large, or not all of one size
            pixels = _decode_all(table, (height, width), progress, resize=True)
            assert pixels is not None
        return cls(torch.from_numpy(pixels), height, width)

    @property
    def device(self) -> torch.device:
        """Where the images are, and their batches."""
        return self._pixels.device

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return self._pixels.nbytes

    def to(self, device: torch.device | str) -> MemoryImages:
        """Return the same images on a device."""
        return MemoryImages(self._pixels.to(device), *self._size)

    def __len__(self) -> int:
        return len(self._pixels)

    def batch(self, indices: Indices) -> Tensor:
        """Return uint8 images B×3×height×width of B rows."""
        rows = torch.from_numpy(indices).to(self.device, non_blocking=True)
        images: Tensor = F.resize(self._pixels[rows], self._size, antialias=True)
        return images

    def batches(self, plan: Sequence[Indices]) -> Iterator[Tensor]:
        """Yield one batch after the other."""
        return map(self.batch, plan)


class FileImages:
    """A table decoded on demand, for sets too large for memory.

    Args:
        table: Which images.
        height: Of the input, pixels.
        width: Of the input, pixels.
        workers: Processes that decode ahead in `batches`; 0 for none. They are started once, by
            the first call.
    """

    def __init__(self, table: ImageTable, height: int, width: int, workers: int = 2) -> None:
        self._table = table
        self._files = _Files(table, (height, width))
        self._plan = _Plan()
        self._loader: DataLoader[Tensor | str] = DataLoader(
            self._files,
            batch_sampler=self._plan,
            collate_fn=_collate,
            num_workers=workers,
            # torch is imported once, by the process that the workers are forked from
            multiprocessing_context=worker_context(__name__) if workers else None,
            persistent_workers=workers > 0,
            worker_init_fn=_follow_main,
        )

    def __len__(self) -> int:
        return len(self._table)

    def batch(self, indices: Indices) -> Tensor:
        """Decode one batch in this process.

        Raises:
            DataError: Files are missing or cannot be decoded.
        """
        return self._checked(_collate(self._files.__getitems__(indices.tolist())))

    def batches(self, plan: Sequence[Indices]) -> Iterator[Tensor]:
        """Yield one batch after the other, decoded ahead by the worker processes.

        A new call ends what an earlier one had yet to yield.

        Raises:
            DataError: Files are missing or cannot be decoded, or a worker process was killed.
        """
        self._plan.batches = plan
        try:
            for decoded in self._loader:
                yield self._checked(decoded)
        except (RuntimeError, OSError, EOFError) as error:
            # Torch notices a lost process, or fails to fetch from it what it had sent.
            if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
                raise
            raise DataError(
                f"{self._table.root}: a process that reads images was killed, probably for want "
                "of memory (/dev/shm, too, if this is a container)"
            ) from error

    def _checked(self, decoded: _Decoded) -> Tensor:
        if isinstance(decoded, Tensor):
            return decoded
        raise _unreadable(decoded, self._table.root)


def read_image(table: ImageTable, index: int) -> Image.Image:
    """Read and decode one image, to RGB.

    Raises:
        OSError: It is missing or no image; Pillow raises `DECODER_ERRORS` for damaged ones.
    """
    try:
        with Image.open(BytesIO(table.read(index))) as image:
            return image.convert("RGB")
    except UnidentifiedImageError as error:
        raise OSError("not an image") from error  # Pillow's own message names the buffer


def memory_needed(table: ImageTable, height: int, width: int) -> int:
    """Estimate the bytes that `MemoryImages` will take, from the first image's size."""
    native = _native_size(table, height, width) or (height, width)
    return len(table) * 3 * native[0] * native[1]


class _Plan(Sampler[list[int]]):
    """The batches of the epoch to come; replaced between epochs, as workers live on."""

    def __init__(self) -> None:
        self.batches: Sequence[Indices] = ()

    def __iter__(self) -> Iterator[list[int]]:
        return (batch.tolist() for batch in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Files(Dataset[Tensor | str]):
    """What worker processes are handed: arrays of names, and the size.

    Problems are returned, not raised: torch would pass them on as a traceback's text.
    """

    def __init__(self, table: ImageTable, size: tuple[int, int]) -> None:
        self._table = table
        self._size = size

    def __len__(self) -> int:
        return len(self._table)

    def __getitems__(self, indices: list[int]) -> list[Tensor | str]:
        return [self[index] for index in indices]

    def __getitem__(self, index: int) -> Tensor | str:
        image = _decode(self._table, index)
        if isinstance(image, str):
            return f"{self._table.name(index)} ({image})"
        return _resized(image, self._size)


def _collate(images: list[Tensor | str]) -> _Decoded:
    broken = [image for image in images if isinstance(image, str)]
    return broken or torch.stack([image for image in images if isinstance(image, Tensor)])


def _follow_main(_: int) -> None:
    """Let the main process alone decide what Ctrl-C does, and end with it.

    torch's own workers look at their parent, which is not the main process: where that was killed,
    they would stay for ever.
    """
    follow_main()


def _decode(table: ImageTable, index: int) -> npt.NDArray[np.uint8] | str:
    """Return an image as 3×h×w, or why it cannot be read."""
    try:
        return np.asarray(read_image(table, index)).transpose(2, 0, 1).copy()
    except FileNotFoundError:
        return "missing"
    except _DECODER_ERRORS as error:
        return str(error) or type(error).__name__


def _resized(image: npt.NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    resized: Tensor = F.resize(torch.from_numpy(image), list(size), antialias=True)
    return resized


def _native_size(table: ImageTable, height: int, width: int) -> tuple[int, int] | None:
    """Return the first image's size if all can be kept in it, as far as that one tells."""
    for index in range(min(len(table), 1)):
        try:
            with Image.open(BytesIO(table.read(index))) as image:
                size = image.height, image.width
        except _DECODER_ERRORS:
            return None
        return size if size[0] <= height and size[1] <= width else None
    return None


def _decode_all(
    table: ImageTable, size: tuple[int, int], progress: Advance | None, *, resize: bool
) -> npt.NDArray[np.uint8] | None:
    """Return all images of a table as N×3×h×w; ``None`` if one has another size and may not.

    Raises:
        DataError: Files are missing or cannot be decoded.
    """
    pixels = np.empty((len(table), 3, *size), np.uint8)

    def place(index: int) -> str | None:
        image = _decode(table, index)
        if isinstance(image, str):
            return f"{table.name(index)} ({image})"
        if image.shape[1:] != size:
            if not resize:
                raise _OtherSizeError
            image = _resized(image, size).numpy()
        pixels[index] = image
        return None

    broken: list[str] = []
    pool = ThreadPoolExecutor(thread_name_prefix="decode")  # Pillow decodes without Python's lock
    try:
        for done, problem in enumerate(pool.map(place, range(len(table))), 1):
            if problem:
                broken.append(problem)
            if progress and (done % _REPORTED == 0 or done == len(table)):
                progress(done, len(table))
    except _OtherSizeError:
        return None
    finally:
        pool.shutdown(cancel_futures=True)
    if broken:
        raise _unreadable(broken, table.root)
    return pixels


class _OtherSizeError(Exception):
    """An image is not of the first one's size."""


def _unreadable(broken: list[str], root: Path) -> DataError:
    others = f" and {len(broken) - _NAMED} others" if len(broken) > _NAMED else ""
    return DataError(
        f"{root}: images of the manifest cannot be read: {', '.join(broken[:_NAMED])}{others}; "
        "copy the folder again, or build the set again"
    )
