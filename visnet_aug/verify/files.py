"""Which files of a finished build have no row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from visnet_aug.build.output import SIDECARS, metadata_paths
from visnet_aug.files import cannot, part_of
from visnet_aug.manifest import ManifestRow
from visnet_aug.masks.store import FOLDER as MASK_FOLDER
from visnet_aug.masks.store import TABLE as MASK_TABLE
from visnet_aug.masks.store import MaskEntry
from visnet_aug.verify.verdict import Problem

_TABLES: Final = (*SIDECARS, MASK_TABLE)


def find_strays(
    root: Path, rows: Sequence[ManifestRow], entries: Mapping[str, MaskEntry]
) -> Iterator[Problem]:
    """Yield files in the image folders and among the masks that belong to nothing.

    Whatever else lies beside them (``report/``, notes) is not the build's and not looked at, but
    for tables that a killed run has half written.

    Raises:
        OutputError: A folder cannot be listed.
    """
    images = {row.path for row in rows}
    masks = {f"{MASK_FOLDER}/{name}.png" for name, entry in entries.items() if entry.accepted}
    folders = {path.partition("/")[0] for path in images if "/" in path} | {MASK_FOLDER}
    there = {path for folder in folders for path in _walk(root, folder)}
    tables = metadata_paths(path.rpartition("/")[0] for path in images)
    half_written = {part_of(root / name).name for name in _TABLES if part_of(root / name).exists()}
    for path in sorted((there - images - masks - tables) | half_written):
        yield Problem("stray", path.encode(errors="backslashreplace").decode())


def _walk(root: Path, folder: str) -> Iterator[str]:
    """Yield all below a folder that is no folder itself; links, wherever they lead."""
    try:
        entries = list(os.scandir(root / folder))
    except (FileNotFoundError, NotADirectoryError):  # whose images are missing, then
        return
    except OSError as error:
        raise cannot("listed", root / folder, error) from error
    for entry in entries:
        path = f"{folder}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path)
        else:
            yield path
