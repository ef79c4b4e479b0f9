"""CUHK03-NP's layout: two whole sets of the same people, each in Market-1501's folders.

``<pid>_c<camera>_<number>.png`` in ``bounding_box_train/``, ``query/`` and ``bounding_box_test/``,
below ``detected/`` (boxes by a detector) and ``labeled/`` (boxes by hand), such as
``0001_c1_1.png``. Cameras are 1 and 2, and images PNG files; there are no frames, and neither junk
nor distractors. Source: Zhong et al., *Re-ranking Person Re-identification with k-reciprocal
Encoding*, CVPR 2017.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from visnet_aug.datasets.layout import FOLDERS, SUFFIXES, Listing, NamedLayout
from visnet_aug.errors import DatasetError

BOXES: Final = ("detected", "labeled")
"""Folders of the two sets."""


class _Cuhk03NP(NamedLayout):
    """Recognises the folder that holds both sets, too, and asks which one is meant."""

    def recognise(self, root: Path) -> str | None:
        inside = [folder for folder in BOXES if super(_Cuhk03NP, self).recognise(root / folder)]
        if inside:
            return f"{' and '.join(inside)}, each with {self.signs}"
        return super().recognise(root)

    def list_files(self, root: Path) -> Listing:
        inside = [folder for folder in BOXES if (root / folder).is_dir()]
        if inside:
            raise DatasetError(
                f"{root}: CUHK03-NP has the same people twice, by a detector's boxes and by hand; "
                f"give --src {' or '.join(str(root / folder) for folder in inside)}"
            )
        return super().list_files(root)


CUHK03NP: Final = _Cuhk03NP(
    name="cuhk03-np",
    title="CUHK03-NP",
    folders=FOLDERS,
    pattern=re.compile(
        r"(?P<stem>(?P<pid>-1|[0-9]{4,9})_c(?P<camid>[1-9][0-9]{0,3})_(?P<box>[0-9]{1,6}))"
        rf"{SUFFIXES}"
    ),
    form="<pid>_c<camera>_<number>.png",
    example="0001_c1_1.png",
)
"""The layout."""
