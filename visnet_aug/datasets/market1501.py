"""Market-1501's layout: three folders of crops whose names say who, where and when.

``<pid>_c<camera>s<sequence>_<frame>_<box>.jpg`` in ``bounding_box_train/`` (training),
``query/`` and ``bounding_box_test/`` (gallery). Other sets are passed around in this layout, so
numbers may have more digits than Market-1501's. Source: Zheng et al., *Scalable Person
Re-identification: A Benchmark*, ICCV 2015.

``x.jpg.jpg`` is an image; so are ``.jpeg``, ``.png`` and upper-case suffixes. ``-1`` is junk and
``0000`` a distractor, both in the gallery. Camera ``c0`` is unknown, as in the output of a
build from such images. The 500,000 more distractors that can be unpacked into ``images/`` are
in no published comparison unless stated; they and the hand-drawn boxes of ``gt_bbox/`` are left
where they are.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from visnet_aug.datasets.layout import FOLDERS, SUFFIXES, Label, Listing, NamedLayout
from visnet_aug.datasets.record import UNKNOWN_CAMID

MORE_DISTRACTORS: Final = "images"
"""Where ``distractors_500k.zip`` is unpacked, next to the three folders."""


HAND_DRAWN: Final = "gt_bbox"
"""Where the hand-drawn boxes are, of training and test images."""


class _Market1501(NamedLayout):
    """Notes which images of the folder are left out."""

    def list_files(self, root: Path) -> Listing:
        listing = super().list_files(root)
        notes = []
        if (root / MORE_DISTRACTORS).is_dir():
            notes.append(
                f"{MORE_DISTRACTORS}/ (500k distractors) is left out; to have them in the gallery, "
                f"move its images to {FOLDERS['gallery']}/"
            )
        if (root / HAND_DRAWN).is_dir():
            notes.append(f"{HAND_DRAWN}/ (boxes drawn by hand) is left out")
        labels = [entry.label for entry in listing.entries if isinstance(entry.label, Label)]
        if unknown := sum(label.camid == UNKNOWN_CAMID for label in labels):
            notes.append(f"the camera of {unknown:,} of {len(labels):,} images is unknown (c0)")
        return replace(listing, notes=tuple(notes))


MARKET1501: Final = _Market1501(
    name="market1501",
    title="Market-1501",
    folders=FOLDERS,
    pattern=re.compile(
        r"(?P<stem>(?P<pid>-1|[0-9]{4,9})_c(?P<camid>0|[1-9][0-9]{0,3})s(?P<sequence>[0-9]{1,4})"
        rf"_(?P<frame>[0-9]{{6,12}})_(?P<box>[0-9]{{2,6}})){SUFFIXES}"
    ),
    form="<pid>_c<camera>s<sequence>_<frame>_<box>.jpg",
    example="0002_c1s1_000451_03.jpg",
    keeps_names=True,
)
"""The layout, whose files keep their names and bytes in the output."""
