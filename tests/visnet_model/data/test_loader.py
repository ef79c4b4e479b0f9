"""The training loader: a batch only depends on seed, epoch and step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from visnet_aug.errors import DatasetError
from visnet_model.data.augment import normalise
from visnet_model.data.images import FileImages, ImageSource, MemoryImages
from visnet_model.data.loader import Batch, TrainingLoader
from visnet_model.data.sampler import PKSampler
from visnet_model.data.settings import AugmentationSettings
from visnet_model.data.table import ImageTable, identity_labels, read_tables

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory, write_set: Callable[..., Path]) -> ImageTable:
    sizes = ((64, 32), (48, 40))
    return read_tables(write_set(tmp_path_factory.mktemp("set"), sizes))["train"]


@pytest.fixture(scope="module")
def memory(table: ImageTable) -> MemoryImages:
    return MemoryImages.load(table, 64, 32)


@pytest.fixture
def make(table: ImageTable, memory: MemoryImages) -> Callable[..., TrainingLoader]:
    def loader(
        images: ImageSource = memory,
        settings: AugmentationSettings | None = None,
        seed: int = 1,
        **options: Any,
    ) -> TrainingLoader:
        labels = identity_labels(table.pids)[0]
        sampler = PKSampler(labels, table.sources, identities=2, num_instances=3, seed=seed)
        return TrainingLoader(
            images, labels, sampler, settings or AugmentationSettings(), seed=seed, **options
        )

    return loader


def same(one: Batch, other: Batch) -> bool:
    return (
        one.images.equal(other.images)
        and one.labels.equal(other.labels)
        and one.indices.tolist() == other.indices.tolist()
    )


def all_same(one: Iterator[Batch], other: Iterator[Batch]) -> bool:
    return all(same(a, b) for a, b in zip(one, other, strict=True))


def test_an_epoch_has_its_length_and_batches_are_what_they_say(
    make: Callable[..., TrainingLoader], table: ImageTable, memory: MemoryImages
) -> None:
    none = AugmentationSettings(
        padding=0, flip=0, brightness=0, contrast=0, saturation=0, hue=0, erasing=0
    )
    loader = make(settings=none)
    batches = list(loader.epoch(0))
    assert len(batches) == len(loader) == 4
    labels, _ = identity_labels(table.pids)
    for batch in batches:
        expected = normalise(memory.batch(batch.indices))
        torch.testing.assert_close(batch.images, expected, rtol=0, atol=1e-6)
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert batch.labels.tolist() == labels[batch.indices].tolist()
        assert batch.labels.dtype == torch.int64


def test_an_epoch_can_be_entered_anywhere(make: Callable[..., TrainingLoader]) -> None:
    loader = make()
    whole = list(loader.epoch(2))
    for start in range(len(whole) + 1):
        assert all_same(make().epoch(2, start), iter(whole[start:]))


def test_epochs_and_seeds_differ(make: Callable[..., TrainingLoader]) -> None:
    first = [next(make(seed=seed).epoch(epoch)).images for seed, epoch in ((1, 0), (1, 1), (2, 0))]
    assert not first[0].equal(first[1])
    assert not first[0].equal(first[2])


def test_steps_of_an_epoch_are_augmented_differently(
    table: ImageTable, memory: MemoryImages
) -> None:
    one = table.take([0])
    sampler = PKSampler([0] * 3, [0, 1, 2], identities=1, num_instances=1)
    loader = TrainingLoader(memory, [0] * 24, sampler, AugmentationSettings())
    assert len(one) == 1
    seen = {
        index: {batch.images.numpy().tobytes() for batch in _batches_of(loader, index)}
        for index in range(3)
    }
    assert all(len(images) == 5 for images in seen.values())


def _batches_of(loader: TrainingLoader, index: int) -> Iterator[Batch]:
    for epoch in range(5):
        yield from (batch for batch in loader.epoch(epoch) if batch.indices.tolist() == [index])


def test_ranks_share_what_one_process_sees(make: Callable[..., TrainingLoader]) -> None:
    ranks = [make(rank=rank, world=2).epoch(1) for rank in range(2)]
    for batch, *parts in zip(make().epoch(1), *ranks, strict=True):
        assert torch.cat([part.images for part in parts]).equal(batch.images)
        assert torch.cat([part.labels for part in parts]).equal(batch.labels)
        assert np.concatenate([part.indices for part in parts]).tolist() == batch.indices.tolist()


@pytest.mark.parametrize("workers", [0, 2])
def test_files_give_what_memory_gives(
    make: Callable[..., TrainingLoader], table: ImageTable, workers: int
) -> None:
    files = make(FileImages(table, 64, 32, workers=workers))
    for epoch in range(2):
        assert all_same(files.epoch(epoch), make().epoch(epoch))


@pytest.mark.parametrize("opened", [MemoryImages.load, FileImages])
def test_shards_give_the_same_batches_as_files(
    make: Callable[..., TrainingLoader],
    table: ImageTable,
    into_shards: Callable[[Path, Path], Path],
    tmp_path: Path,
    opened: Callable[..., ImageSource],
) -> None:
    sharded = read_tables(into_shards(table.root / "manifest.csv", tmp_path))["train"]
    assert sharded.sources.tolist() == table.sources.tolist()
    assert all_same(make(opened(sharded, 64, 32)).epoch(0), make().epoch(0))


def test_processes_that_cannot_share_a_batch_are_refused_at_once(
    make: Callable[..., TrainingLoader],
) -> None:
    with pytest.raises(DatasetError, match="multiple of 3"):
        make(world=3)


def test_an_image_that_vanishes_ends_the_epoch(
    make: Callable[..., TrainingLoader], tmp_path: Path, write_set: Callable[..., Path]
) -> None:
    other = read_tables(write_set(tmp_path))["train"]
    for row in range(len(other)):
        other.path(row).unlink()
    with pytest.raises(DatasetError, match="missing"):
        next(make(FileImages(other, 64, 32, workers=0)).epoch(0))


def test_an_epoch_left_early_leaves_no_thread_behind(make: Callable[..., TrainingLoader]) -> None:
    batches = make().epoch(0)
    next(batches)
    assert any(thread.name.startswith("batches") for thread in threading.enumerate())
    batches.close()  # type: ignore[attr-defined]
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())


def test_the_training_keeps_its_threads(make: Callable[..., TrainingLoader]) -> None:
    torch.set_num_threads(2)
    try:
        with ThreadPoolExecutor(1) as fresh:  # torch has not been used in this thread yet
            fresh.submit(lambda: list(make().epoch(0))).result()
            assert fresh.submit(torch.get_num_threads).result() == 2
        list(make().epoch(0))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
