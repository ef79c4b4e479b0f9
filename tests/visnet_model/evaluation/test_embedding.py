"""Embedding: what is in a batch does not matter, only what is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visnet_model.data.augment import normalise
from visnet_model.data.images import MemoryImages
from visnet_model.errors import DeviceMemoryError, TrainingError
from visnet_model.evaluation.embedding import check_unit_norm, embed_images
from visnet_model.network.visnet import VisNet


@pytest.fixture(scope="module")
def images() -> MemoryImages:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (11, 3, 64, 32), dtype=torch.uint8, generator=generator)
    return MemoryImages(pixels, 64, 32)


@pytest.fixture(scope="module")
def network() -> VisNet:
    torch.manual_seed(0)
    return VisNet(3, backbone="resnet18").eval()


class SeesPlaces(nn.Module):
    """Some pixels, by their place."""

    def forward(self, images: Tensor) -> Tensor:
        assert not self.training
        return F.normalize(images[:, :, ::16, ::8].flatten(1))


def all_of(images: MemoryImages) -> Tensor:
    return normalise(images.batch(np.arange(len(images))))


def test_gives_what_the_network_gives(images: MemoryImages, network: VisNet) -> None:
    with torch.no_grad():
        expected = network(all_of(images)).numpy()
    embeddings = embed_images(network, images, batch_size=4)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)


def test_gives_rows_in_the_order_asked_for(images: MemoryImages) -> None:
    every = embed_images(SeesPlaces(), images)
    chosen = np.array([7, 0, 10, 7])
    np.testing.assert_array_equal(
        embed_images(SeesPlaces(), images, indices=chosen, batch_size=3), every[chosen]
    )


def test_flip_averages_with_the_mirrored_image(images: MemoryImages) -> None:
    pixels = all_of(images)
    network = SeesPlaces().eval()
    expected = F.normalize((network(pixels) + network(pixels.flip(-1))) / 2)
    np.testing.assert_allclose(
        embed_images(SeesPlaces(), images, flip=True, batch_size=5), expected.numpy(), atol=1e-6
    )


def test_bf16_is_near_and_not_the_same(images: MemoryImages, network: VisNet) -> None:
    exact = embed_images(network, images)
    fast = embed_images(network, images, precision="bf16")
    assert fast.dtype == np.float32
    assert (exact * fast).sum(axis=1).min() > 0.99
    assert not np.array_equal(exact, fast)


@pytest.mark.parametrize("training", [True, False])
def test_puts_the_mode_back(images: MemoryImages, training: bool) -> None:
    network = SeesPlaces().train(training)
    embed_images(network, images)
    assert network.training is training


def test_leaves_batch_statistics_alone(images: MemoryImages, network: VisNet) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    embed_images(network.train(), images)
    network.eval()
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_reports_its_progress(images: MemoryImages) -> None:
    reported: list[tuple[int, int]] = []
    embed_images(SeesPlaces(), images, batch_size=4, progress=lambda *args: reported.append(args))
    assert reported == [(4, 11), (8, 11), (11, 11)]


class Nothing:
    """An empty source."""

    def __len__(self) -> int:
        return 0

    def batch(self, indices: npt.NDArray[np.int64]) -> Tensor:
        raise AssertionError

    def batches(self, plan: Sequence[npt.NDArray[np.int64]]) -> Iterator[Tensor]:
        return iter(())


def test_no_images_give_no_embeddings() -> None:
    assert len(embed_images(SeesPlaces(), Nothing())) == 0


class TooLarge(nn.Module):
    """Fails as a GPU does."""

    def forward(self, images: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_says_what_to_do_without_memory(images: MemoryImages) -> None:
    with pytest.raises(DeviceMemoryError, match=r"batch of 4 images; use a smaller --batch-size"):
        embed_images(TooLarge(), images, batch_size=4)


@pytest.mark.parametrize("norm", [0.0, 0.99, 1.01, float("nan"), float("inf")])
def test_refuses_embeddings_without_unit_norm(norm: float) -> None:
    embeddings = np.array([[0.6, 0.8], [norm, 0.0], [0.0, 1.0]], np.float32)
    check_unit_norm(embeddings[::2], ["a.jpg", "c.jpg"])
    with pytest.raises(TrainingError, match=r"b\.jpg: its embedding has norm .*, like 1 of 3: "):
        check_unit_norm(embeddings, ["a.jpg", "b.jpg", "c.jpg"])
