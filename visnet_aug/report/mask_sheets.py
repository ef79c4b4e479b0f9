"""The sheets of the mask stage: accepted masks over their images, and who was rejected."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Final

from PIL import Image

from visnet_aug.report.material import Material, Subject, read_picture
from visnet_aug.report.overlay import overlay
from visnet_aug.report.page import Cell, Picture, Section, draw_page
from visnet_aug.report.sample import spread_sample

REASONS: Final[Mapping[str, str]] = {
    "no_person": "nobody was found",
    "low_confidence": "the network is not sure that it is a person",
    "too_small": "the mask covers too little of the image",
    "too_large": "the mask covers nearly all of the image",
    "too_short": "the mask is not high enough for a person",
    "border": "the mask runs along most of the image's border",
    "edited": "the mask was blackened by hand",
}
"""Why a mask is rejected, in words, in the order of the sheet."""


def draw_masks(material: Material, samples: int, seed: int) -> Image.Image | None:
    """Draw accepted masks by camera and, after them, those edited by hand.

    Args:
        material: The build.
        samples: Pictures for each section.
        seed: Decides which ones.

    Returns:
        The sheet, or ``None`` if no mask was accepted.
    """
    accepted = material.accepted
    if not accepted:
        return None
    cameras = sorted({subject.camid for subject in accepted})
    groups = {f"camera {n}": [s for s in accepted if s.camid == n] for n in cameras}
    if edited := [subject for subject in accepted if subject.entry.edited]:
        groups["edited by hand"] = edited
    sections = []
    for title, group in groups.items():
        area = fmean(subject.entry.area for subject in group)
        confidence = fmean(subject.entry.confidence for subject in group)
        note = f"{len(group):,} masks, mean area {area:.2f}, mean confidence {confidence:.2f}"
        shown = spread_sample(group, samples, seed)
        sections.append(Section(title, note, [_masked(material, subject) for subject in shown]))
    return draw_page(
        "masks",
        f"{len(accepted):,} accepted person masks. The background, which copies rewrite, is "
        "tinted; the person is shown untouched inside the yellow line.",
        sections,
    )


def draw_rejected(material: Material, samples: int, seed: int) -> Image.Image | None:
    """Draw images without a usable mask, by reason; rejected masks are not stored.

    Args:
        material: The build.
        samples: Pictures for each reason.
        seed: Decides which ones.

    Returns:
        The sheet, or ``None`` if none was rejected.
    """
    rejected, accepted = material.reasons.total(), len(material.accepted)
    if not rejected:
        return None
    sections = []
    for reason, words in REASONS.items():
        group = [subject for subject in material.rejected if subject.entry.reason == reason]
        note = f"{material.reasons[reason]:,} images: {words}"
        if len(group) < material.reasons[reason]:
            note += "; they are not in this set"
        shown = spread_sample(group, samples, seed)
        if material.reasons[reason]:
            sections.append(Section(reason, note, [_cell(s, read_picture(s.path)) for s in shown]))
    return draw_page(
        "rejected masks",
        f"{rejected:,} of {accepted + rejected:,} images ({rejected / (accepted + rejected):.1%}) "
        "have no usable person mask: they get no copies.",
        sections,
    )


def _masked(material: Material, subject: Subject) -> Cell:
    image = read_picture(subject.path)
    return _cell(subject, overlay(image, material.mask(subject.entry.stem, image)))


def _cell(subject: Subject, picture: Picture) -> Cell:
    entry = subject.entry
    found = f"area {entry.area:.2f}, conf {entry.confidence:.2f}"
    stem = entry.stem.rpartition("/")[2]
    return Cell((picture,), "" if entry.reason == "no_person" else found, stem)
