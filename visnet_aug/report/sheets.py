"""Contact sheets: a build's samples to look at, as PNG files under ``report/``.

* ``family-<name>.png``: source beside copy, by technique, in order of intensity.
* ``masks.png``: accepted masks over their images, by camera, and the ones edited by hand.
* ``rejected-masks.png``: images without a usable mask, by reason.
* ``unreadable.txt``: source files that are no usable images.

Samples are spread over identities and cameras; the same build gives the same sheets.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from visnet_aug.build.output import REPORT_FOLDER
from visnet_aug.datasets.rejected import RejectedRow
from visnet_aug.files import make_folder, remove_file, write_file
from visnet_aug.manifest import ManifestRow
from visnet_aug.report.family_sheet import draw_family
from visnet_aug.report.mask_sheets import draw_masks, draw_rejected
from visnet_aug.report.material import Material, read_material

_SHEETS = ("family-*.png", "masks.png", "rejected-masks.png", "unreadable.txt")


def write_sheets(out: Path, *, samples: int = 10, seed: int = 0) -> list[Path]:
    """Write the contact sheets of a finished build, replacing those of an earlier call.

    Args:
        out: The build's folder.
        samples: Pairs of source and copy for each technique. Pictures that stand alone are half
            as wide: there are twice as many for each camera and each reason.
        seed: Decides which images are shown.

    Returns:
        The files, families first.

    Raises:
        OutputError: The folder holds no finished build, is damaged, or cannot be written.
        ManifestError: The manifest is damaged.
    """
    material = read_material(out)
    folder = out / REPORT_FOLDER
    make_folder(folder)
    for pattern in _SHEETS:
        for path in folder.glob(pattern):
            remove_file(path)
    written = []
    for name, page in _pages(material, samples, seed):
        written.append(folder / name)
        write_file(written[-1], _png(page))
    if material.unreadable:
        written.append(folder / "unreadable.txt")
        write_file(written[-1], list_unreadable(material.unreadable).encode())
    return written


def list_unreadable(files: Iterable[RejectedRow]) -> str:
    """List unusable source files as text, by reason."""
    by_reason: dict[str, list[RejectedRow]] = {}
    for file in files:
        by_reason.setdefault(file.reason, []).append(file)
    blocks = []
    for reason, group in sorted(by_reason.items()):
        width = max(len(file.path) for file in group)
        lines = [f"  {file.path:{width}}  {file.detail}" for file in group]
        blocks.append("\n".join([f"{reason}: {len(group):,}", *lines, ""]))
    return "\n".join(blocks)


def _pages(material: Material, samples: int, seed: int) -> Iterator[tuple[str, Image.Image]]:
    families: dict[str, list[ManifestRow]] = {}
    for row in material.copies:
        families.setdefault(str(row.family), []).append(row)
    for family, rows in sorted(families.items()):
        yield f"family-{family}.png", draw_family(material, family, rows, samples, seed)
    if (page := draw_masks(material, 2 * samples, seed)) is not None:
        yield "masks.png", page
    if (page := draw_rejected(material, 2 * samples, seed)) is not None:
        yield "rejected-masks.png", page


def _png(page: Image.Image) -> bytes:
    data = io.BytesIO()
    page.save(data, "PNG", compress_level=4)  # higher ones take long and save little
    return data.getvalue()
