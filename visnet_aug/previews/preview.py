"""Previews backgrounds: read pictures, find people, try backgrounds, draw a sheet."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from visnet_aug.arrays import Image as Pixels
from visnet_aug.datasets.images import UnusableImage, decode_rgb, inspect_image
from visnet_aug.errors import DatasetError, OutputError
from visnet_aug.files import write_file
from visnet_aug.masks.compute import SegmenterFactory, find_segmenter
from visnet_aug.masks.person import REASONS, PersonMask
from visnet_aug.previews.sheet import (
    GREY,
    INK,
    WARNING,
    Cell,
    Colour,
    Row,
    Table,
    Text,
    draw_sheet,
    fit,
    outline,
    size_of,
)
from visnet_aug.previews.tries import INTENSITIES, SegmentedImage, Tries, Try
from visnet_aug.recipe import Recipe

DEFAULT_RECIPE: Final = Recipe()


@dataclass(frozen=True, slots=True)
class Preview:
    """What was drawn.

    Attributes:
        sheet: The picture, RGB.
        pictures: The pictures on it, with what was found in each.

    Examples:
        >>> from pathlib import Path
        >>> from visnet_aug import Preview, preview
        >>> picture = min(Path("drawn/query").glob("*.jpg"))
        >>> shown: Preview = preview([picture], "sheet.png", device="cpu")
        >>> shown.sheet.mode
        'RGB'
    """

    sheet: Image.Image
    pictures: Sequence[SegmentedImage]

    def lines(self) -> Iterator[str]:
        """Yield a line for each picture: what a build would make of it."""
        for picture in self.pictures:
            yield f"{picture.path}: {'; '.join(line for line, _ in _verdict(picture.found))}"


def preview(
    images: Sequence[str | Path],
    to: str | Path,
    recipe: Recipe = DEFAULT_RECIPE,
    *,
    family: str | None = None,
    intensity: float | None = None,
    grid: bool = False,
    device: str = "auto",
    segmenter: SegmenterFactory = find_segmenter,
) -> Preview:
    """Try backgrounds on pictures and write a sheet of them as PNG.

    Args:
        images: Pictures of people, each a JPEG or PNG that a build could use.
        to: The file to write, replaced if it is there.
        recipe: Its seed, weights, masks and backgrounds are used.
        family: This family alone; ``None`` for all that the recipe enables.
        intensity: Strength in 0..1; ``None`` to draw it. A grid shows `INTENSITIES` instead.
        grid: Show each family, or each variant of the one, at rising intensities.
        device: Where the segmenter runs.
        segmenter: Finds the segmenter from weights, device and mask settings.

    Raises:
        DatasetError: A picture cannot be used; the message says why, and what to do.
        RecipeError: There is no such family or device.
        WeightsError: The weights cannot be used.
        OutputError: The file is one of the pictures, or cannot be written.

    Examples:
        >>> from pathlib import Path
        >>> from visnet_aug import preview
        >>> pictures = sorted(Path("drawn/bounding_box_train").glob("*.jpg"))[:2]
        >>> shown = preview(pictures, "sheet.png", family="pattern", device="cpu")
        >>> Path("sheet.png").exists()
        True
    """
    paths, to = [Path(path) for path in images], Path(to)
    check_target(paths, to)
    tries = Tries(recipe.backgrounds, recipe.seed, family)
    pixels = [_read(path) for path in paths]
    found = segmenter(recipe.weights, device, recipe.masks).load().segment(pixels)
    pictures = [SegmentedImage(*each) for each in zip(paths, pixels, found, strict=True)]
    if grid:
        tables = [_grid(picture, tries.grid(picture), family) for picture in pictures]
        note = "Along a row, nothing but the intensity differs."
    else:
        tables = [_one_each(pictures, [tries.one_each(each, intensity) for each in pictures])]
        note = "Under each picture: variant, and intensity from 0 to 1."
    title = f"Backgrounds tried: {_words(family)}" if family else "Backgrounds tried"
    sheet = draw_sheet(title, f"{note} Seed {recipe.seed}.", tables)
    data = io.BytesIO()
    sheet.save(data, "PNG", compress_level=4)  # higher ones take long and save little
    write_file(to, data.getvalue())
    return Preview(sheet, pictures)


def check_target(paths: Sequence[Path], to: Path) -> None:
    """Refuse to write over one of the pictures.

    Raises:
        OutputError: The file is one of them.
    """
    if to.resolve() in {path.resolve() for path in paths}:
        raise OutputError(f"{to}: is one of the pictures; choose another file for --to")


def _read(path: Path) -> Pixels:
    """Read a picture that a build could use."""
    if path.is_dir():
        raise DatasetError(f"{path}: is a folder; give the pictures in it, such as {path}/*.jpg")
    outcome = inspect_image(path)
    if isinstance(outcome, UnusableImage):
        raise DatasetError(f"{path}: {outcome.detail}")
    return decode_rgb(path.read_bytes())


def _one_each(pictures: Sequence[SegmentedImage], tries: Sequence[Sequence[Try]]) -> Table:
    """Lay out a row for each picture, a column for each family."""
    rows = [
        Row([_source(picture), *(_try(each, _drawn(each)) for each in of)])
        for picture, of in zip(pictures, tries, strict=True)
    ]
    return Table(["the mask", *(_words(each.family) for each in tries[0])], rows)


def _grid(picture: SegmentedImage, tries: Sequence[Sequence[Try]], family: str | None) -> Table:
    """Lay out a row for each family, or variant of one; a column for each intensity."""
    rows = []
    for row in tries:
        names = [row[0].variant] if family else [row[0].family, row[0].variant]
        label = [
            Text(_words(name), GREY if line else INK, wrap=True) for line, name in enumerate(names)
        ]
        rows.append(Row([_try(each) for each in row], label))
    return Table([f"intensity {value:g}" for value in INTENSITIES], rows, _source(picture, 20))


def _source(picture: SegmentedImage, size: int = 14) -> Cell:
    """Show a picture with its person outlined, and what a build would say of it."""
    height, width = picture.image.shape[:2]
    shrunk = size_of((height, width))[0] / width
    shown = f", shown at {shrunk:.0%}" if shrunk < 1 else ""
    lines = [Text(picture.path.name, INK, size), Text(f"{width} by {height} pixels{shown}")]
    for line, colour in _verdict(picture.found):
        lines.append(Text(line, colour, wrap=True))
    if picture.found.mask is None:
        return Cell(fit(picture.image), lines)
    return Cell(outline(picture.image, picture.mask), lines)


def _verdict(found: PersonMask) -> Iterator[tuple[str, Colour]]:
    if found.reason is not None:
        yield f"a build would make no copies: {REASONS[found.reason]}", WARNING
    if found.mask is None:
        yield "so nothing was spared here", GREY
    else:
        rating = f", quality {found.quality:.2f}" if found.quality is not None else ""
        yield f"mask on {found.area:.0%} of it, confidence {found.confidence:.2f}{rating}", GREY


def _try(tried: Try, *lines: str) -> Cell:
    return Cell(fit(tried.image), [Text(line, wrap=True) for line in lines])


def _drawn(tried: Try) -> str:
    return f"{_words(tried.variant)}, {tried.intensity:.2f}"


def _words(name: str) -> str:
    """Write the name of a family or variant for people."""
    return name.replace("_", " ").replace("+", " + ")
