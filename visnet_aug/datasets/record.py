"""One image of a dataset, and what a reader returns: plain values without behaviour."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple

_FRAGMENT = re.compile(
    r"(?P<path>.+)#xywh=(?P<x>[0-9]{1,6}),(?P<y>[0-9]{1,6}),(?P<w>[0-9]{1,6}),(?P<h>[0-9]{1,6})",
    re.ASCII | re.DOTALL,
)

Split = Literal["train", "query", "gallery"]

UNKNOWN_CAMID: Final = 0
"""Camera of images whose camera is unknown. Known cameras start at 1."""


class Region(NamedTuple):
    """A part of a frame, in pixels of the upright frame; right and bottom are not part of it."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def fragment(self) -> str:
        """Left, top, width and height, with commas."""
        return f"{self.left},{self.top},{self.right - self.left},{self.bottom - self.top}"


def find_source(origin: str) -> tuple[str, Region | None]:
    """Read what `Dataset.origin` returned: the file's path, and which part of it is the image.

    Example:
        >>> find_source("img1/000001.jpg#xywh=10,20,40,80")
        ('img1/000001.jpg', Region(left=10, top=20, right=50, bottom=100))
        >>> find_source("anna/1.jpg")
        ('anna/1.jpg', None)
    """
    match = _FRAGMENT.fullmatch(origin)
    if match is None:
        return origin, None
    left, top, width, height = (int(match[part]) for part in ("x", "y", "w", "h"))
    return match["path"], Region(left, top, left + width, top + height)


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One readable image.

    The image is what a build passes through and makes copies of. By default it is the
    file itself; with a ``conversion`` or a ``region``, it is what `read_again` of
    `visnet_aug.datasets.sources` makes of the file. Size and checksum are the image's.

    Attributes:
        path: Absolute path of the file that holds its pixels.
        name: Its file name in the output, in Market-1501's form; of a file of that layout its own,
            odd suffixes included (``0002_c1s1_000451_03.jpg.jpg``).
        stem: ``name`` without any of its image suffixes; unique within its split.
        split: ``train``, ``query`` or ``gallery``.
        pid: Identity, from 1; in the gallery also ``-1``, junk, and ``0``, a distractor.
        camid: Camera, from 1; `UNKNOWN_CAMID` where it is not known, which is then ``c0`` in the
            name. Images of unknown cameras cannot be compared by the same-camera rule.
        sequence: Sequence number, or ``None`` where the layout has none.
        frame: Frame number, or ``None``.
        box: Number of the bounding box within the frame, or ``None``.
        width: Pixels.
        height: Pixels.
        sha256: Hex digest of the image's bytes.
        identity: Its name in the source: a folder's name, a table's cell. Empty if only ``pid`` is
            known.
        camera: The camera's name in the source. Empty if only ``camid`` is known, or nothing.
        tracklet: Number of the tracklet, unique for one identity and camera, or ``None``.
        region: The part of the file's upright pixels that it is, or ``None`` for all of them.
        conversion: What turns the file into a plain image, such as ``grey to RGB``; empty for one
            that is plain already.
    """

    path: Path
    name: str
    stem: str
    split: Split
    pid: int
    camid: int
    sequence: int | None
    frame: int | None
    box: int | None
    width: int
    height: int
    sha256: str
    identity: str = ""
    camera: str = ""
    tracklet: int | None = None
    region: Region | None = None
    conversion: str = ""

    @property
    def is_file(self) -> bool:
        """Whether the image is its file, byte for byte, so that it can be linked or cloned."""
        return self.region is None and not self.conversion


@dataclass(frozen=True, slots=True)
class RejectedImage:
    """A file that looks like an image of the dataset and cannot be used.

    Attributes:
        path: Absolute path of the file.
        split: The split whose folder holds it.
        reason: A short fixed name such as ``truncated`` (the table is in ``images.py``).
        detail: One line for a person.
    """

    path: Path
    split: Split
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """Everything that a reader found, sorted by split (train, query, gallery) and then by name.

    Attributes:
        root: Absolute folder of the dataset.
        layout: Name of the layout, e.g. ``market1501``; never ``auto``.
        folders: Folder of each split in the output.
        records: The readable images.
        rejected: The unusable ones, same order.
        ignored: Number of files that are no images by name (``Thumbs.db``, ``.DS_Store``).
        recognised: What the layout was recognised by; empty if the user named it.
        notes: What a person should know of how it was read, a line each.
        splits: Which folders (relative to the root, ``.`` for the root itself) became which split,
            where a layout reads splits off folders' names.
        passed_over: Number of files that are no images by their names, by suffix.
        thinned: Number of frames left out because they are nearly the same as others.
    """

    root: Path
    layout: str
    folders: Mapping[Split, str]
    records: tuple[ImageRecord, ...]
    rejected: tuple[RejectedImage, ...] = field(default=())
    ignored: int = 0
    recognised: str = ""
    notes: tuple[str, ...] = ()
    splits: Mapping[str, Split] = field(default_factory=dict)
    passed_over: Mapping[str, int] = field(default_factory=dict)
    thinned: int = 0

    def origin(self, image: ImageRecord | RejectedImage) -> str:
        """Return an image's path relative to the root, with ``/``.

        A part of a frame has its region after the path, as a W3C media fragment:
        ``img1/000001.jpg#xywh=10,20,40,80`` (left, top, width, height in pixels). `find_source`
        reads both back.
        """
        path = image.path.as_posix().removeprefix(self.root.as_posix()).removeprefix("/")
        region = image.region if isinstance(image, ImageRecord) else None
        return path if region is None else f"{path}#xywh={region.fragment}"

    def split(self, name: Split) -> tuple[ImageRecord, ...]:
        """Return the records of one split, in order."""
        return tuple(record for record in self.records if record.split == name)
