"""The training of the bundled segmenter: samples, labels, loss, resuming, export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from visnet_aug.datasets.drawn import draw_sample
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.weights import import_ultralytics

import_ultralytics()

from pipelines.segmenter import training  # noqa: E402 (Ultralytics goes first, tamed)
from pipelines.segmenter.composites import (  # noqa: E402
    MIN_INSTANCE_PIXELS,
    Sources,
    compose,
    flip_pair,
)
from pipelines.segmenter.export import export  # noqa: E402
from pipelines.segmenter.labelling import label  # noqa: E402
from pipelines.segmenter.sources import MaskedCrops, split_by_identity  # noqa: E402
from visnet_aug.masks.segmenter import Segmenter  # noqa: E402

ARCHITECTURE = Path(training.__file__).with_name("person.yaml")


@pytest.fixture(scope="module")
def crops() -> MaskedCrops:
    rng = np.random.default_rng(0)
    samples = [draw_sample(pid, 1 + pid % 6, rng) for pid in range(1, 13)]
    return MaskedCrops(
        np.stack([s.image for s in samples]),
        np.where(np.stack([s.mask for s in samples]), 255, 0).astype(np.uint8),
        tuple(f"{pid:04d}_c1" for pid in range(1, 13)),
    )


@pytest.fixture(scope="module")
def sources(crops: MaskedCrops) -> Sources:
    return Sources(crops, crops.images[:4], natural=crops, drawn=crops)


@pytest.fixture
def tiny() -> dict[str, Any]:
    description: dict[str, Any] = yaml.safe_load(ARCHITECTURE.read_text())
    return description | {"scales": {"p": [0.33, 0.0625, 128]}, "input": [64, 32]}


class TestSplit:
    def test_no_identity_is_on_both_sides(self, crops: MaskedCrops) -> None:
        names = tuple(f"{i // 3:04d}_c{i}" for i in range(len(crops)))
        train, judged = split_by_identity(MaskedCrops(crops.images, crops.masks, names))
        pids = [{name[:4] for name in side.names} for side in (train, judged)]
        assert not pids[0] & pids[1]
        assert len(train) + len(judged) == len(crops)
        assert pids[1] == {"0000"}


class TestSamples:
    @pytest.mark.parametrize("seed", range(15))
    def test_are_whole(self, sources: Sources, seed: int) -> None:
        sample = compose(np.random.default_rng(seed), sources)
        assert sample.image.shape == (128, 64, 3)
        assert sample.image.dtype == np.uint8
        for mask in sample.masks:
            assert mask.shape == (128, 64)
            assert mask.sum() >= MIN_INSTANCE_PIXELS

    @pytest.mark.parametrize("seed", range(15))
    def test_no_pixel_belongs_to_two_people(self, sources: Sources, seed: int) -> None:
        masks = compose(np.random.default_rng(seed), sources).masks
        if masks:
            assert np.sum(masks, axis=0).max() == 1

    def test_depend_on_the_generator_alone(self, sources: Sources) -> None:
        for seed in range(10):
            one, other = (compose(np.random.default_rng(seed), sources) for _ in range(2))
            assert np.array_equal(one.image, other.image)
            assert np.array_equal(one.masks, other.masks)

    def test_flip_keeps_the_masks_offset(self) -> None:
        """A mask one pixel right of its person stays one pixel right of it."""
        image = np.zeros((128, 64, 3), np.uint8)
        image[:, 10:20] = 255
        mask = np.zeros((128, 64), np.uint8)
        mask[:, 10:21] = 255
        flipped, moved = flip_pair(image, mask)
        person = np.flatnonzero(flipped[0, :, 0])
        assert np.flatnonzero(moved[0]).tolist() == [*person, person[-1] + 1]


@pytest.mark.parametrize(
    ("rows", "columns", "box"),
    [
        (slice(0, 128), slice(0, 64), (0.5, 0.5, 1.0, 1.0)),
        (slice(0, 1), slice(0, 1), (0.5 / 64, 0.5 / 128, 1 / 64, 1 / 128)),
        (slice(32, 96), slice(16, 48), (0.5, 0.5, 0.5, 0.5)),
    ],
)
def test_box_of(rows: slice, columns: slice, box: tuple[float, ...]) -> None:
    mask = np.zeros((128, 64), np.bool_)
    mask[rows, columns] = True
    assert training.box_of(mask) == pytest.approx(box)


class TestTraining:
    def test_learns_and_goes_on_where_it_was_cut_off(
        self,
        tiny: dict[str, Any],
        sources: Sources,
        crops: MaskedCrops,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Stopped after a checkpoint and started again: the same weights as straight through."""
        import torch

        monkeypatch.setattr(training, "JUDGE_EVERY_STEPS", 3)
        torch.set_num_threads(1)  # with more, sums in the backward pass come in any order
        settings = training.TrainingSettings(steps=6, batch=4)
        straight = training.train(tiny, sources, crops, settings, tmp_path / "straight")

        class KilledError(Exception):
            pass

        original = training._Run.save

        def save_then_die(run: Any) -> None:
            original(run)
            raise KilledError

        monkeypatch.setattr(training._Run, "save", save_then_die)
        with pytest.raises(KilledError):
            training.train(tiny, sources, crops, settings, tmp_path / "cut")
        monkeypatch.setattr(training._Run, "save", original)
        resumed = training.train(tiny, sources, crops, settings, tmp_path / "cut")
        for name, tensor in straight.state_dict().items():
            assert torch.equal(tensor, resumed.state_dict()[name]), name

    def test_export_gives_the_same_masks(
        self, tiny: dict[str, Any], crops: MaskedCrops, tmp_path: Path
    ) -> None:
        """What ships, read back by the product, sees what the trained network sees."""
        import torch

        torch.manual_seed(0)
        network = training.build_network(tiny).eval()
        export(network, tiny, tmp_path / "person.safetensors")
        settings = MaskSettings(confidence=0.0, min_area=0.0, max_area=1.0, min_height=0.0)
        shipped = Segmenter(str(tmp_path / "person.safetensors"), "cpu", settings)
        trained = Segmenter.for_network(network, (64, 32), settings)
        for one, other in zip(
            shipped.segment(list(crops.images)), trained.segment(list(crops.images)), strict=True
        ):
            assert one.confidence == pytest.approx(other.confidence, abs=0.02)

    def test_labels_need_two_views_to_agree(
        self, crops: MaskedCrops, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A network that finds somebody else in the mirror image labels nothing."""
        from pipelines.segmenter import labelling
        from visnet_aug.masks.person import PersonMask

        class Half:
            """Finds the left half of every image: in the mirror, that is the other half."""

            @classmethod
            def for_network(cls, *_: Any) -> Half:
                return cls()

            def segment(self, images: list[np.ndarray]) -> list[PersonMask]:
                mask = np.zeros((128, 64), np.bool_)
                mask[:, :32] = True
                return [PersonMask(mask, 0.5, 0.9, None) for _ in images]

        monkeypatch.setattr(labelling, "Segmenter", Half)
        labels = label(torch.nn.Identity(), (64, 32), crops.images, crops.names)
        assert len(labels.people) == 0
