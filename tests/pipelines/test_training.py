"""The training of the bundled segmenter: boxes, loss, start, resuming, labels, export."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from pipelines.segmenter import training
from pipelines.segmenter.composites import Sources
from pipelines.segmenter.export import export
from pipelines.segmenter.labelling import Labels, label
from pipelines.segmenter.loss import PersonLoss
from pipelines.segmenter.sources import MaskedImages
from pipelines.segmenter.starting import start_from
from visnet_aug.masks.segmenter import Segmenter
from visnet_aug.masks.settings import MaskSettings


@pytest.mark.parametrize(
    ("rows", "columns", "box"),
    [
        (slice(0, 128), slice(0, 64), (0.5, 0.5, 1.0, 1.0)),
        (slice(0, 1), slice(0, 1), (0.5 / 64, 0.5 / 128, 1 / 64, 1 / 128)),
        (slice(32, 96), slice(16, 48), (0.5, 0.5, 0.5, 0.5)),
    ],
)
def test_relative_box(rows: slice, columns: slice, box: tuple[float, ...]) -> None:
    opacity = np.zeros((128, 64), np.uint8)
    opacity[rows, columns] = 255
    assert training.relative_box(opacity) == pytest.approx(box)


def test_pixel_weight_is_none_where_unknown_and_more_at_outlines() -> None:
    opacity = np.zeros((40, 40), np.uint8)
    opacity[:, 20:] = 255
    known = np.full((40, 40), 255, np.uint8)
    known[:5] = 0
    weight = training.pixel_weight(opacity, known)
    assert not weight[:5].any()
    assert (weight[10, [17, 22]] == training.OUTLINE_WEIGHT).all()
    assert (weight[10, [0, 39]] == 1).all()


class TestLoss:
    def test_unknown_pixels_teach_nothing(self, tiny: dict[str, Any], sources: Sources) -> None:
        """Whatever the opacity says there: the same loss."""
        torch.manual_seed(0)
        network = training.build_network(tiny).train()
        settings = training.TrainingSettings(1, batch=4)
        batch = next(iter(training._Batches(sources, settings, 0, 1)))
        predictions = network(batch["images"].permute(0, 3, 1, 2).float() / 255)
        batch["weight"][:, :, 16:] = 0
        losses = []
        for value in (0, 255):
            batch["opacity"][:, :, 16:] = value
            parts = PersonLoss(network)(predictions, batch, torch.Generator().manual_seed(0))
            losses.append([float(parts[name].detach()) for name in ("bce", "dice")])
        assert losses[0] == pytest.approx(losses[1])
        assert min(losses[0]) > 0


class TestStart:
    def test_gives_what_the_folded_network_gives(
        self, tiny: dict[str, Any], sources: Sources, tmp_path: Path
    ) -> None:
        """Layer by layer, a network started from shipped weights computes what they compute."""
        torch.manual_seed(0)
        shipped = training.build_network(tiny).eval()
        export(shipped, tiny, tmp_path / "person.safetensors")
        torch.manual_seed(1)
        network = training.build_network(tiny)
        images = torch.rand(16, 3, 64, 32)
        assert start_from(network, tmp_path / "person.safetensors", images) > 20
        network.eval()
        one, two = (cast("nn.Sequential", n.model) for n in (shipped, network))
        first, other = one[:3](images), two[:3](images)
        assert torch.allclose(first, other, atol=0.02)

    def test_leaves_layers_of_other_shapes(self, tiny: dict[str, Any], tmp_path: Path) -> None:
        wide = {**tiny, "scales": {"p": [0.33, 0.125, 128]}}
        export(training.build_network(wide).eval(), wide, tmp_path / "person.safetensors")
        images = torch.rand(4, 3, 64, 32)
        copied = start_from(training.build_network(tiny), tmp_path / "person.safetensors", images)
        assert 0 < copied < 10  # some layers have a least number of channels


class TestTraining:
    def test_goes_on_where_it_was_cut_off(
        self,
        tiny: dict[str, Any],
        sources: Sources,
        people: MaskedImages,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Cut off after a checkpoint and started again: the same weights as straight through."""
        torch.set_num_threads(1)  # with more, sums in the backward pass come in any order
        monkeypatch.setattr(training, "JUDGE_EVERY_STEPS", 2)
        settings = training.TrainingSettings(steps=5, batch=4)
        straight = training.train(tiny, sources, people, settings, tmp_path / "straight")
        advance = training._Run.advance

        def cut_off(run: training._Run, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            if run.step == 3:
                raise KeyboardInterrupt
            return advance(run, batch)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(training._Run, "advance", cut_off)
            training.train(tiny, sources, people, settings, tmp_path / "cut")
        resumed = training.train(tiny, sources, people, settings, tmp_path / "cut")
        for name, tensor in straight.state_dict().items():
            assert torch.equal(tensor, resumed.state_dict()[name]), name

    @pytest.mark.parametrize("workers", [1, 2, 3])
    def test_samples_do_not_depend_on_the_workers(self, sources: Sources, workers: int) -> None:
        settings = training.TrainingSettings(steps=5, batch=2, workers=workers)
        batches = list(training.load_batches(sources, settings, 1))
        assert len(batches) == 4
        for step, batch in enumerate(batches, start=1):
            alone = next(iter(training._Batches(sources, settings, step, step + 1)))
            assert torch.equal(batch["images"], alone["images"])

    def test_export_gives_the_same_masks(
        self, tiny: dict[str, Any], people: MaskedImages, tmp_path: Path
    ) -> None:
        """What ships, read back by the product, sees what the trained network sees."""
        torch.manual_seed(0)
        network = training.build_network(tiny).eval()
        export(network, tiny, tmp_path / "person.safetensors")
        settings = MaskSettings(confidence=0.0, min_area=0.0, max_area=1.0, min_height=0.0)
        shipped = Segmenter(str(tmp_path / "person.safetensors"), "cpu", settings)
        trained = Segmenter.for_network(network, (64, 32), settings)
        for one, other in zip(
            shipped.segment(people.images), trained.segment(people.images), strict=True
        ):
            assert one.confidence == pytest.approx(other.confidence, abs=0.02)


class TestLabels:
    @staticmethod
    def bright(images: Sequence[np.ndarray]) -> Iterable[np.ndarray]:
        """Find what is bright: in every view the same."""
        return [np.where(image[..., 0] > 127, 255, 0).astype(np.uint8) for image in images]

    @staticmethod
    def left(images: Sequence[np.ndarray]) -> Iterable[np.ndarray]:
        """Find the left half of every image: in the mirror, that is the other half."""
        masks = [np.zeros((len(image), image.shape[1]), np.uint8) for image in images]
        for mask in masks:
            mask[:, : mask.shape[1] // 2] = 255
        return masks

    @pytest.fixture
    def images(self) -> list[np.ndarray]:
        image = np.zeros((128, 64, 3), np.uint8)
        image[20:110, 20:40] = 255
        return [image, image]

    def test_take_what_all_views_agree_on(self, images: list[np.ndarray]) -> None:
        labels = label(self.bright, images)
        assert len(labels.labels) == 2
        assert np.array_equal(labels.labels[0][..., 0] > 127, images[0][..., 0] > 127)
        assert labels.labels[0][..., 1].min() == 255
        assert labels.backgrounds[0].max() == 0

    def test_drop_what_views_disagree_on(self, images: list[np.ndarray]) -> None:
        with pytest.raises(ValueError, match="labelled none of 2 crops"):
            label(self.left, images)

    def test_a_teacher_that_labels_nothing_is_an_error(self, images: list[np.ndarray]) -> None:
        with pytest.raises(ValueError, match="labelled none of 2 crops"):
            label(lambda views: [None for _ in views], images)

    def test_come_back_from_the_disk(self, images: list[np.ndarray], tmp_path: Path) -> None:
        labels = label(self.bright, images)
        labels.save(tmp_path / "labels.npz")
        stored = Labels.load(tmp_path / "labels.npz")
        assert np.array_equal(stored.labels, labels.labels)
        assert np.array_equal(stored.backgrounds, labels.backgrounds)
