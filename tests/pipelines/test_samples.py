"""What the segmenter is trained on: pictures, windows, cut-outs, composites."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.segmenter.camera import spoil
from pipelines.segmenter.composites import LEAST_AREA, Sources, compose
from pipelines.segmenter.framing import any_window, near, to_crop, window
from pipelines.segmenter.judging import cropped
from pipelines.segmenter.occluders import occluder
from pipelines.segmenter.pictures import box_of, cut_out, picture, warp, without_person
from pipelines.segmenter.sources import (
    LOOSE,
    MaskedImages,
    exact_cutouts,
    loose_cutouts,
    loose_scenes,
    split_by_identity,
    split_photos,
)


def square(size: int = 64, margin: int = 16) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    mask[margin : size - margin, margin : size - margin] = 255
    return mask


class TestSplit:
    def test_no_identity_is_on_both_sides(self, people: MaskedImages) -> None:
        names = tuple(f"{i // 3:04d}_c{i}" for i in range(len(people)))
        train, judged = split_by_identity(MaskedImages(people.images, people.masks, names))
        pids = [{name[:4] for name in side.names} for side in (train, judged)]
        assert not pids[0] & pids[1]
        assert len(train) + len(judged) == len(people)
        assert pids[1] == {"0000"}

    def test_every_tenth_photo_is_judged(self, people: MaskedImages) -> None:
        train, judged = split_photos(people)
        assert judged.names == (people.names[0], people.names[10])
        assert len(train) == len(people) - 2


class TestWarp:
    @pytest.mark.parametrize("factor", [2, 4])
    def test_reduces_without_a_shift(self, factor: int) -> None:
        """Half-pixel errors of a level or a matrix would move the square's centre."""
        image = np.repeat(square()[..., None], 3, axis=2)
        size = (64 // factor, 64 // factor)
        small = warp(picture(image), to_crop((0, 0, 64, 64), size), size)[..., 0].astype(float)
        centres = np.arange(size[0]) + 0.5
        for axis in (0, 1):
            profile = small.sum(axis)
            assert (profile * centres).sum() / profile.sum() == pytest.approx(size[0] / 2, abs=0.01)

    def test_shows_the_window(self) -> None:
        image = np.arange(64 * 64, dtype=np.float32).reshape(64, 64) % 251
        pixels = np.repeat(image[..., None], 3, axis=2).astype(np.uint8)
        crop = warp(picture(pixels), to_crop((8, 16, 40, 56), (40, 32)), (40, 32))
        assert np.array_equal(crop, pixels[16:56, 8:40])

    def test_mirrors_about_the_window(self) -> None:
        pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
        matrix = to_crop((8, 16, 40, 56), (40, 32), mirrored=True)
        assert np.array_equal(warp(picture(pixels), matrix, (40, 32)), pixels[16:56, 8:40][:, ::-1])


class TestCutOut:
    def test_takes_no_colour_of_the_background_along(self) -> None:
        """A red person on green: a soft edge is red, too."""
        mask = square()
        image = np.where(mask[..., None] > 0, (200, 0, 0), (0, 200, 0)).astype(np.uint8)
        opacity = np.full_like(mask, 128)
        cut = cut_out(image, opacity, mask)
        assert cut[..., 1].max() == 0
        assert np.array_equal(np.unique(cut[..., 0]), [100])

    def test_loose_masks_are_tightened(self, people: MaskedImages) -> None:
        label = loose_scenes(people)[0].label.levels[0]
        assert (label[..., 0] > 127).sum() < (people.masks[0] > 0).sum()
        edge = np.diff((people.masks[0] > 127).astype(int), axis=1) != 0
        assert not label[..., 1][:, 1:][edge].any()

    def test_loose_cutouts_lie_inside(self, people: MaskedImages) -> None:
        exact, loose = exact_cutouts(people)[0], loose_cutouts(people, seed=0)[0]
        assert loose.size[0] <= exact.size[0] - LOOSE
        assert loose.size[1] <= exact.size[1] - LOOSE

    def test_filled_in_person_is_gone(self) -> None:
        mask = square()
        image = np.where(mask[..., None] > 0, 255, 40).astype(np.uint8).repeat(3, axis=2)
        assert without_person(image, mask).max() < 50


class TestWindows:
    @pytest.mark.parametrize("seed", range(20))
    def test_keep_most_of_the_person(self, seed: int) -> None:
        x0, y0, x1, y1 = window(np.random.default_rng(seed), (100, 50, 160, 250), 2.0)
        seen = (min(x1, 160) - max(x0, 100)) * (min(y1, 250) - max(y0, 50))
        assert seen > 0.25 * 60 * 200

    @pytest.mark.parametrize("seed", range(20))
    def test_of_backgrounds_lie_inside(self, seed: int) -> None:
        x0, y0, x1, y1 = any_window(np.random.default_rng(seed), (120, 80), 2.0)
        assert 0 <= x0 < x1 <= 80
        assert 0 <= y0 < y1 <= 120

    def test_of_crops_show_most_of_them(self) -> None:
        views = [near(np.random.default_rng(seed), (128, 64)) for seed in range(50)]
        assert min((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in views) > 0.4 * 128 * 64


class TestSamples:
    @pytest.mark.parametrize("seed", range(25))
    def test_are_whole(self, sources: Sources, seed: int) -> None:
        sample = compose(np.random.default_rng(seed), sources)
        assert sample.image.shape == (64, 32, 3)
        assert sample.image.dtype == np.uint8
        assert sample.opacity.shape == sample.known.shape == (len(sample.opacity), 64, 32)
        for opacity in sample.opacity:
            assert (opacity / 255).mean() >= LEAST_AREA - 1 / 255

    @pytest.mark.parametrize("seed", range(25))
    def test_no_pixel_is_more_than_full(self, sources: Sources, seed: int) -> None:
        opacity = compose(np.random.default_rng(seed), sources).opacity.astype(int)
        if len(opacity):
            assert opacity.sum(0).max() <= 255 + len(opacity)

    def test_depend_on_the_generator_alone(self, sources: Sources) -> None:
        for seed in range(10):
            one, other = (compose(np.random.default_rng(seed), sources) for _ in range(2))
            assert np.array_equal(one.image, other.image)
            assert np.array_equal(one.opacity, other.opacity)

    def test_about_a_third_is_grey(self) -> None:
        pixels = np.random.default_rng(0).uniform(0, 255, (32, 16, 3)).astype(np.float32)
        images = [spoil(np.random.default_rng(seed), pixels) for seed in range(200)]
        grey = np.mean([int(np.ptp(i.astype(int), axis=2).max()) <= 4 for i in images])
        assert 0.25 < grey < 0.45

    def test_things_cover_some_and_not_all(self) -> None:
        drawn = [occluder(np.random.default_rng(seed), (128, 64), None)[1] for seed in range(60)]
        covered = np.array([opacity.mean() for opacity in drawn])
        assert (covered > 0).mean() > 0.9
        assert covered.max() < 0.6


@pytest.mark.parametrize("margin", [0.03, 0.15])
def test_judged_crops_have_their_margin(people: MaskedImages, margin: float) -> None:
    crop = cropped(people.pick(np.arange(12) == 0), margin, (256, 128))
    _, y0, _, y1 = box_of(crop.masks[0])
    assert (y1 - y0) / 256 <= 1 / (1 + 2 * margin) + 0.02
    assert abs((y0 + y1) / 2 - 128) < 3
