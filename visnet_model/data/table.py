"""The manifest as arrays: one table per split, without an object per row.

Forked worker processes share these arrays. A list of 20,000 row objects would be copied into each
of them page by page as reference counts change.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from visnet_aug.manifest import ManifestRow, iter_manifest
from visnet_aug.shards import read_bytes

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ImageTable:
    """The N images of one split, in the manifest's order.

    Attributes:
        root: The manifest's folder.
        paths: N file names relative to it, with ``/``.
        pids: N identities.
        camids: N cameras.
        augmented: N booleans: whether the image is a copy with a rewritten background.
        sources: N integers, equal for an image and all copies of it, across the splits of a
            manifest.
        families: N names of background families; empty for originals.
    """

    root: Path
    paths: npt.NDArray[np.str_]
    pids: Indices
    camids: Indices
    augmented: npt.NDArray[np.bool_]
    sources: Indices
    families: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        """Return the name of an image: its path relative to the manifest's folder."""
        return str(self.paths[index])

    def path(self, index: int) -> Path:
        """Return the path of an image; in a set of shards, it leads into a tar."""
        return self.root / self.name(index)

    def read(self, index: int) -> bytes:
        """Read the file of an image.

        Raises:
            OSError: It is missing or cannot be read.
        """
        return read_bytes(self.root, self.name(index))

    def take(self, indices: npt.ArrayLike) -> ImageTable:
        """Return the table of some rows, given by their positions or by a boolean mask of N."""
        chosen = np.asarray(indices)
        return ImageTable(
            root=self.root,
            paths=self.paths[chosen],
            pids=self.pids[chosen],
            camids=self.camids[chosen],
            augmented=self.augmented[chosen],
            sources=self.sources[chosen],
            families=self.families[chosen],
        )


def read_tables(manifest: Path) -> dict[str, ImageTable]:
    """Read a manifest into one table per split that has rows, without opening the images.

    Raises:
        ManifestError: The manifest cannot be read or breaks its schema.
    """
    manifest = Path(manifest)
    columns: dict[str, list[tuple[str, int, int, bool, int, str]]] = defaultdict(list)
    sources: dict[str, int] = {}
    for row in iter_manifest(manifest):
        columns[row.split].append(_cells(row, sources))
    return {split: _table(manifest.parent, rows) for split, rows in columns.items()}


def identity_labels(pids: npt.ArrayLike) -> tuple[Indices, Indices]:
    """Number identities from 0, as a classifier needs them.

    Args:
        pids: N identities.

    Returns:
        N labels, and the identity of each label in ascending order.
    """
    known, labels = np.unique(np.asarray(pids, np.int64), return_inverse=True)
    return labels.astype(np.int64), known


def _cells(row: ManifestRow, sources: dict[str, int]) -> tuple[str, int, int, bool, int, str]:
    source = sources.setdefault(row.source, len(sources))
    return row.path, row.pid, row.camid, row.kind == "augmented", source, row.family or ""


def _table(root: Path, rows: list[tuple[str, int, int, bool, int, str]]) -> ImageTable:
    paths, pids, camids, augmented, sources, families = zip(*rows, strict=True)
    return ImageTable(
        root=root,
        paths=np.array(paths, np.str_),
        pids=np.array(pids, np.int64),
        camids=np.array(camids, np.int64),
        augmented=np.array(augmented, np.bool_),
        sources=np.array(sources, np.int64),
        families=np.array(families, np.str_),
    )
