"""Image sources: batches of uint8 images at the network's input size.

`MemoryImages` decodes every file once; `FileImages` decodes it in every epoch, in worker processes.
Both give the same pixels: decoded by Pillow, resized by torchvision (bilinear, antialiased).
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
from visnet_aug.errors import DatasetError, WorkerError
from visnet_aug.processes import follow_main, worker_context
from visnet_aug.progress import Advance
from visnet_model.data.table import ImageTable, Indices

_Decoded: TypeAlias = Tensor | list[str]
"""A batch, or the names of its images that cannot be read."""

_DECODER_ERRORS = (*DECODER_ERRORS, Image.DecompressionBombError)
_NAMED = 3  # unreadable files named in an error; the others are counted
_REPORTED = 256  # images between two progress reports


class ImageSource(Protocol):
    """The N images of a table, read by row."""

    def __len__(self) -> int:
        """Return N."""
        ...

    def batch(self, indices: Indices) -> Tensor:
        """Return B rows as uint8 B×3×height×width, on the device of the source."""
        ...

    def batches(self, plan: Sequence[Indices]) -> Iterator[Tensor]:
        """Yield the batches of a plan, as `batch` returns them; a source may read ahead."""
        ...


class MemoryImages:
    """A whole table decoded in memory, on the host or on a GPU.

    If all images have one size that does not exceed the input size, they are kept at that size and
    resized batch by batch: 64×128 crops for an input of 128×256 take a quarter of the memory.
    Others are resized when they are loaded.

    Args:
        pixels: uint8 N×3×h×w.
        height: Input height in pixels.
        width: Input width in pixels.
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
            table: The images.
            height: Input height in pixels.
            width: Input width in pixels.
            progress: Called with the number of images decoded and the total.

        Raises:
            DatasetError: Files are missing or cannot be decoded.
        """
        native = _native_size(table, height, width)
        pixels = native and _decode_all(table, native, progress, resize=False)
        if pixels is None:  # too large, or of different sizes
            pixels = _decode_all(table, (height, width), progress, resize=True)
            assert pixels is not None
        return cls(torch.from_numpy(pixels), height, width)

    @property
    def device(self) -> torch.device:
        """The device of the images and their batches."""
        return self._pixels.device

    @property
    def nbytes(self) -> int:
        """Memory that the images take, in bytes."""
        return self._pixels.nbytes

    def to(self, device: torch.device | str) -> MemoryImages:
        """Return the same images on another device."""
        return MemoryImages(self._pixels.to(device), *self._size)

    def __len__(self) -> int:
        return len(self._pixels)

    def batch(self, indices: Indices) -> Tensor:
        """Return B rows as uint8 B×3×height×width."""
        rows = torch.from_numpy(indices).to(self.device, non_blocking=True)
        images: Tensor = F.resize(self._pixels[rows], self._size, antialias=True)
        return images

    def batches(self, plan: Sequence[Indices]) -> Iterator[Tensor]:
        """Yield the batches of a plan."""
        return map(self.batch, plan)


class FileImages:
    """A table decoded on demand, for sets that do not fit in memory.

    Args:
        table: The images.
        height: Input height in pixels.
        width: Input width in pixels.
        workers: Processes that decode ahead in `batches`; 0 decodes in this process. They start
            with the first call and are kept.
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
            # torch is imported once, in the process that the workers are forked from
            multiprocessing_context=worker_context(__name__) if workers else None,
            persistent_workers=workers > 0,
            worker_init_fn=_follow_main,
        )

    def __len__(self) -> int:
        return len(self._table)

    def batch(self, indices: Indices) -> Tensor:
        """Decode a batch in this process.

        Raises:
            DatasetError: Files are missing or cannot be decoded.
        """
        return self._checked(_collate(self._files.__getitems__(indices.tolist())))

    def batches(self, plan: Sequence[Indices]) -> Iterator[Tensor]:
        """Yield the batches of a plan, decoded ahead by the worker processes.

        A new call ends the iterator of an earlier one.

        Raises:
            DatasetError: Files are missing or cannot be decoded.
            WorkerError: A worker process was killed.
        """
        self._plan.batches = plan
        try:
            for decoded in self._loader:
                yield self._checked(decoded)
        except (RuntimeError, OSError, EOFError) as error:
            # torch notices the lost process, or fails to receive what it sent.
            if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
                raise
            raise WorkerError(
                f"{self._table.root}: a process that reads images was killed, probably because "
                "memory ran out (in a container, also that of /dev/shm)"
            ) from error

    def _checked(self, decoded: _Decoded) -> Tensor:
        if isinstance(decoded, Tensor):
            return decoded
        raise _unreadable(decoded, self._table.root)


def read_image(table: ImageTable, index: int) -> Image.Image:
    """Read an image and decode it to RGB.

    Raises:
        OSError: It is missing or no image; Pillow raises `DECODER_ERRORS` for damaged images.
    """
    try:
        with Image.open(BytesIO(table.read(index))) as image:
            return image.convert("RGB")
    except UnidentifiedImageError as error:
        raise OSError("not an image") from error  # Pillow's message names the buffer


def memory_needed(table: ImageTable, height: int, width: int) -> int:
    """Estimate the memory of `MemoryImages` in bytes from the size of the first image."""
    native = _native_size(table, height, width) or (height, width)
    return len(table) * 3 * native[0] * native[1]


class _Plan(Sampler[list[int]]):
    """The batches of the next epoch; replaced between epochs, because the workers are kept."""

    def __init__(self) -> None:
        self.batches: Sequence[Indices] = ()

    def __iter__(self) -> Iterator[list[int]]:
        return (batch.tolist() for batch in self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Files(Dataset[Tensor | str]):
    """The part that is sent to worker processes: the table and the size.

    Problems are returned instead of raised, because torch passes exceptions on as tracebacks.
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
    """Ignore Ctrl-C, which is for the main process, and end when that ends.

    torch's workers watch their parent, which is not the main process: they would never end if the
    main process is killed.
    """
    follow_main()


def _decode(table: ImageTable, index: int) -> npt.NDArray[np.uint8] | str:
    """Return an image as 3×h×w, or the reason why it cannot be read."""
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
    """Return the size of the first image if images of that size can be kept as they are."""
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
    """Return all images as N×3×h×w; without ``resize``, ``None`` if one has another size.

    Raises:
        DatasetError: Files are missing or cannot be decoded.
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
    pool = ThreadPoolExecutor(thread_name_prefix="decode")  # Pillow releases the GIL
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
    """An image has another size than the first one."""


def _unreadable(broken: list[str], root: Path) -> DatasetError:
    others = f" and {len(broken) - _NAMED} others" if len(broken) > _NAMED else ""
    return DatasetError(
        f"{root}: images of the manifest cannot be read: {', '.join(broken[:_NAMED])}{others}; "
        "copy the folder again, or build the set again"
    )
