"""How fast training images come: our batches against torchvision v2, one image at a time.

Two things are compared, taking turns in one run, because on a shared machine only ratios within a
run carry over; the ratio reported is the median of the rounds' ratios:

- augmentation alone, on batches of 96 that are decoded already;
- a whole epoch: `TrainingLoader` over images in memory, and torch's ``DataLoader`` with worker
  processes that decode, resize and augment the same files in the same order.

Run it from the project's folder; without a manifest, random JPEGs are written to a temporary one:

    python benchmarks/loading.py [--manifest aug/manifest.csv] [--size 128 64] [--workers 2]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from visnet_model.data.augment import IMAGENET_MEAN, IMAGENET_STD, apply, draw
from visnet_model.data.images import MemoryImages
from visnet_model.data.loader import TrainingLoader
from visnet_model.data.sampler import PKSampler
from visnet_model.data.settings import AugmentationSettings
from visnet_model.data.table import ImageTable, identity_labels, read_tables

BATCH = 96
ROUNDS = 7
SETTINGS = AugmentationSettings()


def torchvision_transform(size: tuple[int, int]) -> v2.Compose:
    """Return the same transforms as torchvision has them, for one uint8 image."""
    return v2.Compose(
        [
            v2.Resize(size, antialias=True),
            v2.RandomCrop(size, padding=SETTINGS.padding, padding_mode="edge"),
            v2.RandomHorizontalFlip(SETTINGS.flip),
            v2.ColorJitter(
                SETTINGS.brightness, SETTINGS.contrast, SETTINGS.saturation, SETTINGS.hue
            ),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            v2.RandomErasing(
                SETTINGS.erasing, SETTINGS.erasing_area, SETTINGS.erasing_aspect, "random"
            ),
        ]
    )


class Files(Dataset[Tensor]):
    """Files through torchvision, as such a training is usually written."""

    def __init__(self, table: ImageTable, size: tuple[int, int]) -> None:
        self.table = table
        self.transform = torchvision_transform(size)

    def __getitem__(self, index: int) -> Tensor:
        """Decode and augment one image."""
        with Image.open(self.table.path(index)) as opened:
            pixels = v2.functional.pil_to_tensor(opened.convert("RGB"))
        image: Tensor = self.transform(pixels)
        return image


def compare(
    what: str, images: int, ours: Callable[[], object], theirs: Callable[[], object]
) -> None:
    """Print what both take for a number of images, over rounds in which they take turns."""
    ours(), theirs()  # warms up
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
    print(f"{what:28}", end="")
    for name, times in zip(("ours", "torchvision"), zip(*pairs, strict=True), strict=True):
        each = statistics.median(times) / images
        print(f"{name} {1 / each:8.0f} images/s, {1000 * BATCH * each:6.1f} ms a batch", end="   ")
    ratios = sorted(other / mine for mine, other in pairs)
    print(f"ratio {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})")


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare_augmentation(size: tuple[int, int]) -> None:
    """Compare on one batch with one thread."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (BATCH, 3, *size), np.uint8))
    transform = torchvision_transform(size)

    def ours() -> Tensor:
        return apply(images, draw(SETTINGS, size, BATCH, rng), SETTINGS)

    def theirs() -> Tensor:
        return torch.stack([transform(image) for image in images])

    compare(f"augmentation {size[0]}×{size[1]}", BATCH, ours, theirs)


def compare_loaders(table: ImageTable, size: tuple[int, int], workers: int) -> None:
    """Compare whole epochs of the same files."""
    labels, _ = identity_labels(table.pids)
    sampler = PKSampler(labels, table.sources)
    start = time.perf_counter()
    images = MemoryImages.load(table, *size)
    print(f"decoding {len(table)} images, once: {time.perf_counter() - start:.2f} s")
    loader = TrainingLoader(images, labels, sampler, SETTINGS)
    other = DataLoader(
        Files(table, size),
        batch_sampler=sampler.epoch(0).tolist(),
        num_workers=workers,
        multiprocessing_context="forkserver" if workers else None,
        persistent_workers=workers > 0,
    )

    compare(
        f"loading {size[0]}×{size[1]}, {workers} workers",
        len(sampler) * BATCH,
        lambda: sum(1 for _ in loader.epoch(0)),
        lambda: sum(1 for _ in other),
    )


def random_table(folder: Path, images: int = 960) -> ImageTable:
    """Write smooth random JPEGs of Market-1501's size, of sixteen identities."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(images):
        picture = Image.fromarray(rng.integers(0, 256, (16, 8, 3), np.uint8))
        paths.append(f"{number}.jpg")
        picture.resize((64, 128), Image.Resampling.BICUBIC).save(folder / paths[-1], quality=75)
    return ImageTable(
        root=folder,
        paths=np.array(paths),
        pids=np.arange(images) % 16,
        camids=np.ones(images, np.int64),
        augmented=np.zeros(images, np.bool_),
        sources=np.arange(images),
        families=np.full(images, ""),
    )


def main() -> None:
    """Measure with one thread of torch's own in this process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--manifest", type=Path, help="a built set; its split train is read")
    parser.add_argument("--size", type=int, nargs=2, default=(128, 64), help="height and width")
    parser.add_argument("--workers", type=int, default=2, help="of torch's DataLoader")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for size in ((128, 64), (256, 128)):
        compare_augmentation(size)
    with tempfile.TemporaryDirectory() as folder:
        if options.manifest:
            table = read_tables(options.manifest)["train"]
            table = table.take(np.arange(min(960, len(table))))
        else:
            table = random_table(Path(folder))
        compare_loaders(table, tuple(options.size), options.workers)


if __name__ == "__main__":
    main()
