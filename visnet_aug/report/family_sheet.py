"""The sheet of one family of background transforms: source beside copy, by technique."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from PIL import Image

from visnet_aug.build.finished import mask_of
from visnet_aug.manifest import ManifestRow
from visnet_aug.report.material import Material, read_picture
from visnet_aug.report.overlay import overlay
from visnet_aug.report.page import Cell, Section, draw_page
from visnet_aug.report.sample import spread_sample

_UNSHOWN: Final = ("variant", "intensity", "seed")
"""Drawn parameters that the sheet says elsewhere, or that say nothing to the eye."""

_UNITS: Final = {"degrees": "deg", "pixels": "px", "levels": "levels", "factor": "x"}
"""How the last word of a parameter's name is written behind its number."""


def draw_family(
    material: Material, family: str, rows: Sequence[ManifestRow], samples: int, seed: int
) -> Image.Image:
    """Draw a family's sheet.

    Args:
        material: The build.
        family: Name of the family.
        rows: All of its copies.
        samples: Pairs for each technique.
        seed: Decides which ones.
    """
    variants: dict[str, list[ManifestRow]] = {}
    for row in rows:
        variants.setdefault(str(row.variant), []).append(row)
    in_order = sorted(variants.items(), key=lambda item: (item[0].count("+"), item[0]))
    images = len({row.source for row in rows})
    identities = len({row.pid for row in rows if row.pid > 0})
    left = "the source" if material.originals else "the mask (the set holds no originals)"
    return draw_page(
        family,
        f"{len(rows):,} copies of {images:,} images and {identities:,} identities. "
        f"Left {left}, right the copy; the bar is the intensity from 0 to 1.",
        [_section(material, name, group, samples, seed) for name, group in in_order],
    )


def describe_params(params: Mapping[str, Any]) -> str:
    """Say drawn numbers in one line: ``angle 107 deg, length 13 px``."""
    words = []
    for name, value in params.items():
        if name in _UNSHOWN or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        quantity, _, last = name.rpartition("_")
        unit = _UNITS.get(last) if quantity else None
        words.append(f"{quantity} {value:.3g} {unit}" if unit else f"{name} {value:.3g}")
    return ", ".join(words).replace("_", " ")


def _section(
    material: Material, variant: str, rows: Sequence[ManifestRow], samples: int, seed: int
) -> Section:
    shown = sorted(spread_sample(rows, samples, seed), key=_intensity)
    weakest, strongest = min(map(_intensity, rows)), max(map(_intensity, rows))
    return Section(
        variant,
        f"{len(rows):,} copies, intensity {weakest:.2f} to {strongest:.2f}",
        [_cell(material, row) for row in shown],
    )


def _cell(material: Material, row: ManifestRow) -> Cell:
    copy = read_picture(material.root / row.path)
    original = material.originals.get(row.source)
    left = read_picture(original) if original else overlay(copy, material.mask(mask_of(row), copy))
    caption = f"{_intensity(row):.2f}   {describe_params(row.params or {})}"
    return Cell((left, copy), caption, row.path.rpartition("/")[2], _intensity(row))


def _intensity(row: ManifestRow) -> float:
    return row.intensity or 0.0
