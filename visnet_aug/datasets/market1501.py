"""Market-1501's layout: three folders of crops whose names say who, where and when.

``<pid>_c<camera>s<sequence>_<frame>_<box>.jpg`` in ``bounding_box_train/`` (training),
``query/`` and ``bounding_box_test/`` (gallery). Other sets are passed around in this layout, so
numbers may have more digits than Market-1501's. Source: Zheng et al., *Scalable Person
Re-identification: A Benchmark*, ICCV 2015.

``x.jpg.jpg`` is an image; so are ``.jpeg``, ``.png`` and upper-case suffixes. ``-1`` is junk and
``0000`` a distractor, both in the gallery. The 500,000 more distractors that can be unpacked into
``images/`` are in no published comparison unless it says so, and are left where they are.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from visnet_aug.datasets.layout import FOLDERS, SUFFIXES, Listing, NamedLayout

MORE_DISTRACTORS: Final = "images"
"""Where ``distractors_500k.zip`` is unpacked, beside the three folders."""


class _Market1501(NamedLayout):
    """Says when the 500,000 further distractors are there, and left out."""

    def list_files(self, root: Path) -> Listing:
        listing = super().list_files(root)
        if not (root / MORE_DISTRACTORS).is_dir():
            return listing
        note = (
            f"{MORE_DISTRACTORS}/ (500k distractors) is left out; to have them in the gallery, "
            f"move its images to {FOLDERS['gallery']}/"
        )
        return replace(listing, notes=(note,))


MARKET1501: Final = _Market1501(
    name="market1501",
    title="Market-1501",
    folders=FOLDERS,
    pattern=re.compile(
        r"(?P<stem>(?P<pid>-1|[0-9]{4,9})_c(?P<camid>[1-9][0-9]{0,3})s(?P<sequence>[0-9]{1,4})"
        rf"_(?P<frame>[0-9]{{6,12}})_(?P<box>[0-9]{{2,6}})){SUFFIXES}"
    ),
    form="<pid>_c<camera>s<sequence>_<frame>_<box>.jpg",
    example="0002_c1s1_000451_03.jpg",
    keeps_names=True,
)
"""The layout, whose files keep their names and bytes in the output."""
