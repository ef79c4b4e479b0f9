"""What every reader of a finished build asks: is it finished, and whose mask is a row's?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from visnet_aug.builder.journal import journal_path
from visnet_aug.builder.output import MANIFEST
from visnet_aug.datasets.record import Split
from visnet_aug.errors import OutputError
from visnet_aug.manifest import ManifestRow, ManifestSplit
from visnet_aug.masks.store import mask_name

_SUFFIXES = re.compile(r"(\.(jpe?g|png))+$", re.IGNORECASE)

_PARTS: Final = 4
"""Of ``<pid>_c<camera>s<sequence>_<frame>_<box>``."""

SOURCE_SPLITS: Final[Mapping[ManifestSplit, Split]] = {
    "train": "train",
    "val": "train",
    "query": "query",
    "gallery": "gallery",
    "probe-query": "query",
    "probe-gallery": "gallery",
}
"""The source dataset's split that images of each split come from."""


def check_finished(root: Path) -> None:
    """Refuse what is no finished build or probe.

    Raises:
        OutputError: The folder is none, or holds an unfinished build, or none at all.
    """
    if not root.is_dir():
        raise OutputError(f"{root}: no such folder; give the --out folder of a build")
    if journal_path(root).exists():
        raise OutputError(f"{root}: the build is unfinished; run the same build command again")
    if not (root / MANIFEST).exists():
        raise OutputError(f"{root}: no {MANIFEST} in it; give the --out folder of a build")


def stem_of(path: str) -> str:
    """Return the stem of an image's path, without any of its suffixes (``.jpg.jpg``)."""
    return _SUFFIXES.sub("", path.rpartition("/")[2])


def source_stem(row: ManifestRow) -> str:
    """Return the stem, in the output, of the image that a row was made from, kept or not.

    Whatever the source's layout, that is Market-1501's form, which has four parts: those of a copy
    go on with its number and family.
    """
    return "_".join(stem_of(row.path).split("_")[:_PARTS])


def mask_of(row: ManifestRow) -> str:
    """Return the name of the mask of the image that a row was made from."""
    return mask_name(SOURCE_SPLITS[row.split], source_stem(row))
