"""One image of a dataset, and what a reader returns: plain values without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Split = Literal["train", "query", "gallery"]


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One readable image.

    Attributes:
        path: Absolute path of the file.
        name: Its file name in the output, in Market-1501's form; of a file of that layout its own,
            odd suffixes included (``0002_c1s1_000451_03.jpg.jpg``).
        stem: ``name`` without any of its image suffixes; unique within its split.
        split: ``train``, ``query`` or ``gallery``.
        pid: Identity; ``-1`` is junk, ``0`` a distractor.
        camid: Camera, counted from 1 as in the file name.
        sequence: Sequence number, or ``None`` where the layout has none.
        frame: Frame number, or ``None``.
        box: Number of the bounding box within the frame, or ``None``.
        width: Pixels.
        height: Pixels.
        sha256: Hex digest of the file's bytes.
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
        recognised: Why it is taken for this layout; empty if it was told so.
        notes: What a person should know of how it was read, a line each.
    """

    root: Path
    layout: str
    folders: Mapping[Split, str]
    records: tuple[ImageRecord, ...]
    rejected: tuple[RejectedImage, ...] = field(default=())
    ignored: int = 0
    recognised: str = ""
    notes: tuple[str, ...] = ()

    def origin(self, image: ImageRecord | RejectedImage) -> str:
        """Return an image's path relative to the root, with ``/``."""
        return image.path.as_posix().removeprefix(self.root.as_posix()).removeprefix("/")

    def split(self, name: Split) -> tuple[ImageRecord, ...]:
        """Return the records of one split, in order."""
        return tuple(record for record in self.records if record.split == name)
