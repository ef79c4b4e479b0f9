from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from visnet_aug.backgrounds.settings import BackgroundSettings
from visnet_aug.errors import DatasetError, OutputError, RecipeError
from visnet_aug.masks.compute import SegmenterFactory, SegmenterSource
from visnet_aug.masks.person import REASONS, PersonMask, Reason
from visnet_aug.previews.preview import preview
from visnet_aug.previews.tries import INTENSITIES, SegmentedImage, Tries
from visnet_aug.recipe import Recipe

SIX = ("color_shift", "texture", "noise", "blur", "pattern", "gradient")


def segmented(height: int = 64, width: int = 32, name: str = "a.png") -> SegmentedImage:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    mask = np.zeros((height, width), bool)
    mask[height // 8 : -height // 8, width // 4 : -width // 4] = True
    return SegmentedImage(Path("somewhere") / name, image, PersonMask(mask, 0.4, 0.9, None))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "person.png"
    Image.fromarray(segmented().image).save(path)
    return path


def test_each_family_is_tried_once_and_the_person_is_untouched() -> None:
    person = segmented()
    tries = Tries(BackgroundSettings(), 0).one_each(person)
    assert tuple(each.family for each in tries) == SIX
    for each in tries:
        np.testing.assert_array_equal(each.image[person.mask], person.image[person.mask])
        assert (each.image[~person.mask] != person.image[~person.mask]).any()
        assert 0.5 <= each.intensity <= 1


def test_an_intensity_that_is_given_changes_nothing_else() -> None:
    drawn = Tries(BackgroundSettings(), 0).one_each(segmented())
    given = Tries(BackgroundSettings(), 0).one_each(segmented(), 0.3)
    assert [each.intensity for each in given] == [0.3] * 6
    assert [each.variant for each in given] == [each.variant for each in drawn]


def test_draws_follow_from_seed_and_name_alone() -> None:
    def images(seed: int, name: str = "a.png") -> list[NDArray[np.uint8]]:
        return [e.image for e in Tries(BackgroundSettings(), seed).one_each(segmented(name=name))]

    np.testing.assert_array_equal(images(0), images(0))
    assert not np.array_equal(images(0), images(1))
    assert not np.array_equal(images(0), images(0, "b.png"))


def test_a_grid_has_a_row_for_each_family_from_weak_to_strong() -> None:
    person = segmented()
    rows = Tries(BackgroundSettings(), 0).grid(person)
    assert [row[0].family for row in rows] == list(SIX)
    for row in rows:
        assert tuple(each.intensity for each in row) == INTENSITIES
        assert len({each.variant for each in row}) == 1
        far = [np.abs(each.image.astype(int) - person.image).sum() for each in (row[0], row[-1])]
        assert far[0] < far[1]


def test_a_grid_of_one_family_has_a_row_for_each_variant() -> None:
    rows = Tries(BackgroundSettings(), 0, "pattern").grid(segmented())
    assert [row[0].variant for row in rows] == [
        "grid", "circles", "stripes", "checkerboard", "mosaic", "discs",
    ]  # fmt: skip


def test_variants_that_a_recipe_switches_off_are_not_shown() -> None:
    settings = BackgroundSettings.model_validate({"blur": {"zoom": {"probability": 0}}})
    assert [row[0].variant for row in Tries(settings, 0, "blur").grid(segmented())] == ["motion"]


def test_a_family_that_the_recipe_leaves_out_can_be_asked_for() -> None:
    settings = BackgroundSettings.model_validate(
        {"noise": {"weight": 0}, "other": {"fog": {"transform": "RandomFog"}}}
    )
    names = [each.family for each in Tries(settings, 0).one_each(segmented())]
    assert names == [name for name in SIX if name != "noise"] + ["fog"]
    (only,) = Tries(settings, 0, "noise").one_each(segmented())
    assert only.family == "noise"
    (row,) = Tries(settings, 0, "fog").grid(segmented())
    assert row[0].variant == "RandomFog"
    with pytest.raises(RecipeError, match="'rain' is unknown: have color_shift, texture"):
        Tries(settings, 0, "rain")


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (30, 400), (700, 20), (600, 800)])
def test_pictures_of_any_shape_can_be_tried(shape: tuple[int, int]) -> None:
    person = segmented(*shape)
    assert all(
        e.image.shape == person.image.shape for e in Tries(BackgroundSettings(), 0).one_each(person)
    )


@pytest.mark.parametrize("grid", [False, True])
def test_a_sheet_is_written_whole(
    picture: Path, tmp_path: Path, ellipses: SegmenterFactory, grid: bool
) -> None:
    to = tmp_path / "sheet.png"
    made = preview([picture], to, Recipe(), grid=grid, segmenter=ellipses)
    with Image.open(to) as written:
        assert written.format == "PNG"
        np.testing.assert_array_equal(np.array(written), np.array(made.sheet))
    assert [line.rpartition(": ")[0] for line in made.lines()] == [str(picture)]
    assert "confidence 0.90" in next(made.lines())
    assert sorted(tmp_path.iterdir()) == [picture, to]


def finding(reason: Reason) -> SegmenterFactory:
    """A segmenter that finds nobody that a build would take."""

    class Doubtful:
        def segment(self, images: Sequence[NDArray[np.uint8]]) -> list[PersonMask]:
            found = [None if reason == "no_person" else np.ones(i.shape[:2], bool) for i in images]
            return [PersonMask(mask, float(mask is not None), 0.3, reason) for mask in found]

    return lambda *_: SegmenterSource("doubtful", Doubtful)


@pytest.mark.parametrize("reason", REASONS)
def test_a_mask_that_a_build_would_reject_is_told_with_its_reason(
    picture: Path, tmp_path: Path, reason: Reason
) -> None:
    made = preview([picture], tmp_path / "to.png", Recipe(), segmenter=finding(reason))
    (line,) = made.lines()
    assert f"a build would make no copies: {REASONS[reason]}" in line


def test_where_nobody_is_found_nothing_is_spared(picture: Path, tmp_path: Path) -> None:
    made = preview([picture], tmp_path / "to.png", Recipe(), segmenter=finding("no_person"))
    assert not made.pictures[0].mask.any()
    assert next(made.lines()).endswith("nobody was found; so nothing was spared here")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "is a folder; give the pictures in it"),
        (lambda path: path.write_bytes(b"GIF89a"), "begins like a GIF file; convert it to JPEG"),
        (lambda path: Image.new("L", (9, 9)).save(path), "one colour channel; replace it"),
        (lambda path: Image.new("RGBA", (9, 9)).save(path), "alpha channel; flatten it"),
    ],
)
def test_a_picture_that_no_build_could_use_is_refused_with_the_remedy(
    picture: Path, tmp_path: Path, ellipses: SegmenterFactory, make: object, says: str
) -> None:
    bad = tmp_path / "bad.png"
    make(bad)  # type: ignore[operator]
    with pytest.raises(DatasetError, match=rf"bad\.png: .*{says}"):
        preview([picture, bad], tmp_path / "to.png", Recipe(), segmenter=ellipses)
    assert not (tmp_path / "to.png").exists()


def test_a_picture_is_never_written_over(
    picture: Path, tmp_path: Path, ellipses: SegmenterFactory
) -> None:
    (tmp_path / "link.png").symlink_to(picture)
    before = picture.read_bytes()
    for to in (picture, tmp_path / "link.png", tmp_path / "x" / ".." / "person.png"):
        with pytest.raises(OutputError, match="is one of the pictures"):
            preview([picture], to, Recipe(), segmenter=ellipses)
    assert picture.read_bytes() == before
