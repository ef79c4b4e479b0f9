"""What there is to show of a finished build: its tables, read and put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from visnet_aug.build.finished import check_finished, mask_of
from visnet_aug.build.output import MANIFEST, REJECTED
from visnet_aug.datasets.images import decode_rgb
from visnet_aug.datasets.rejected import RejectedRow, read_rejected
from visnet_aug.errors import DatasetError, OutputError
from visnet_aug.manifest import ManifestRow, read_manifest
from visnet_aug.masks.person import Mask
from visnet_aug.masks.store import FOLDER, TABLE, MaskEntry, MaskStore, read_mask
from visnet_aug.report.page import Picture


@dataclass(frozen=True, slots=True)
class Subject:
    """An image that a mask was looked for in.

    Attributes:
        pid: Identity.
        camid: Camera.
        path: Where to see it: the image itself, or one of its copies where the set has no
            original; the person is the same in both.
        entry: What the mask stage found.
    """

    pid: int
    camid: int
    path: Path
    entry: MaskEntry


@dataclass(frozen=True, slots=True)
class Material:
    """A finished build.

    Attributes:
        root: Its folder.
        copies: The augmented images.
        originals: The files of the originals that copies were made from, by source; empty in the
            published composition.
        accepted: The images that have a mask.
        rejected: Those that have none and are in the set.
        reasons: Why images have no mask, of all of them, in the set or not.
        unreadable: Source files that could not be used.
    """

    root: Path
    copies: tuple[ManifestRow, ...]
    originals: Mapping[str, Path]
    accepted: tuple[Subject, ...]
    rejected: tuple[Subject, ...]
    reasons: Counter[str]
    unreadable: tuple[RejectedRow, ...]

    def mask(self, name: str, image: Picture) -> Mask:
        """Read the mask of an image, by `mask_name`.

        Raises:
            OutputError: It is missing, damaged, or not of the image's size.
        """
        path = self.root / FOLDER / f"{name}.png"
        mask = read_mask(path)
        if mask.shape != image.shape[:2]:
            raise OutputError(f"{path}: not of its image's size; run the same build command again")
        return mask


def read_material(root: Path) -> Material:
    """Read a build's tables.

    Raises:
        OutputError: The folder is none, holds no finished build, or a table is damaged.
        ManifestError: The manifest is.
    """
    check_finished(root)
    rows = read_manifest(root / MANIFEST)
    rejected = read_rejected(root / REJECTED)
    subjects = _subjects(root, rows)
    copies = tuple(row for row in rows if row.kind == "augmented")
    sources = {row.source for row in copies}
    return Material(
        root=root,
        copies=copies,
        originals={row.source: root / row.path for row in rows if _is_source(row, sources)},
        accepted=tuple(subject for subject in subjects if subject.entry.accepted),
        rejected=tuple(subject for subject in subjects if not subject.entry.accepted),
        reasons=Counter(line.reason for line in rejected if line.stage == "mask"),
        unreadable=tuple(line for line in rejected if line.stage == "read"),
    )


def _is_source(row: ManifestRow, sources: Collection[str]) -> bool:
    return row.kind == "original" and row.source in sources


def _subjects(root: Path, rows: Iterable[ManifestRow]) -> list[Subject]:
    """Pair each masked image, or else its first copy, with what the mask stage found."""
    entries = _read_entries(root)
    shown: dict[str, ManifestRow] = {}
    for row in sorted(rows, key=lambda row: (row.kind == "augmented", row.path)):
        shown.setdefault(mask_of(row), row)
    return [
        Subject(row.pid, row.camid, root / row.path, entries[name])
        for name, row in shown.items()
        if name in entries
    ]


def read_picture(path: Path) -> Picture:
    """Read an image of the build.

    Raises:
        OutputError: It is missing or damaged.
    """
    try:
        return decode_rgb(path.read_bytes())
    except (OSError, DatasetError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OutputError(f"{path}: cannot be shown ({reason}); run the build again") from error


def _read_entries(root: Path) -> Mapping[str, MaskEntry]:
    store = MaskStore(root)
    if store.damaged:
        lines = store.damaged["torn line"]
        raise OutputError(
            f"{root / TABLE}: {lines:,} damaged line{'s' * (lines != 1)}; run the same build "
            "command again, which mends it"
        )
    return store.entries
