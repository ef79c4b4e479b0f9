r"""Crops that a tracker saved, as BoxMOT and Ultralytics lay them out.

``crops/<class>/<track>/<frame>.jpg``, below folders for runs or videos if there are some:
``exp/crops/0/3/12.jpg``, ``crops/palace/person/3/palace2.jpg``. A track is an identity and a
tracklet: what a tracker took for two people is two identities. Every video is a camera; with one
alone, the camera is unknown. Only crops of people (class ``0``, ``person`` or ``pedestrian``) are
read, and all of them are training images.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, get_args

from visnet_aug.datasets.images import UnusableImage
from visnet_aug.datasets.layout import Entry, Label, Listing
from visnet_aug.datasets.record import Split
from visnet_aug.datasets.walk import find_files, image_stem
from visnet_aug.errors import DatasetError

FOLDER: Final = "crops"
PEOPLE: Final = ("0", "person", "pedestrian")
"""Names of the class of people."""

_PATH = re.compile(
    r"(?:(?P<video>.+)/)?(?P<kind>[^/]+)/(?P<track>[0-9]{1,9})/[^/]*?(?P<frame>[0-9]{0,12})"
)
_MOST: Final = 0.9


class BoxMot:
    """The layout."""

    name = "boxmot"
    signs = f"{FOLDER}/<class>/<track>/<frame>.jpg"

    def recognise(self, root: Path) -> str | None:
        """Say which crops there are."""
        if root.name != FOLDER and not any(root.glob(FOLDER)) and not any(root.glob(f"*/{FOLDER}")):
            return None
        images = find_files(root).images
        crops = [path for path in images if _match(path)]
        people = [path for path in crops if (match := _match(path)) and match["kind"] in PEOPLE]
        if not people or len(crops) < _MOST * len(images):
            return None
        return f"crops of tracks, such as {people[0]}"

    def list_files(self, root: Path) -> Listing:
        """List the crops.

        Raises:
            DatasetError: There is none.
        """
        found = find_files(root)
        matches = [(path, _match(path)) for path in found.images]
        videos = {_video(match) for _, match in matches if match}
        others = sum(match is not None and match["kind"] not in PEOPLE for _, match in matches)
        entries = [
            _entry(path, match, len(videos) > 1)
            for path, match in matches
            if match is None or match["kind"] in PEOPLE
        ]
        if not entries:
            raise DatasetError(f"{root}: no crop of a person in it; the layout is {self.signs}")
        return Listing(
            entries,
            ignored=sum(found.others.values()) + others,
            places=dict.fromkeys(get_args(Split), root),
            required=("train",),
            notes=(f"{others:,} crops of other classes are left out",) if others else (),
            passed_over=found.others,
        )


def _match(path: str) -> re.Match[str] | None:
    return _PATH.fullmatch(image_stem(path))


def _video(match: re.Match[str]) -> str:
    return "/".join(name for name in (match["video"] or "").split("/") if name != FOLDER)


def _entry(path: str, match: re.Match[str] | None, several: bool) -> Entry:
    stem = image_stem(path)
    if match is None:
        problem = UnusableImage.because("bad_name", "the path is not <class>/<track>/<frame>.jpg")
        return Entry(path, "train", stem, problem)
    video, track = _video(match), match["track"]
    label = Label(
        f"{video}/{track}" if several else track,
        video if several else None,
        frame=int(match["frame"]) if match["frame"] else None,
        tracklet=int(track),
    )
    return Entry(path, "train", stem, label)


BOXMOT: Final = BoxMot()
"""The layout."""
