"""Finds files of a finished build without a row, and shards that changed."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from visnet_aug.builder.folder import SIDECARS, table_paths
from visnet_aug.builder.packing import companions
from visnet_aug.files import cannot, part_of, sha256_of_file
from visnet_aug.manifest import ManifestRow
from visnet_aug.masks.store import FOLDER as MASK_FOLDER
from visnet_aug.masks.store import TABLE as MASK_TABLE
from visnet_aug.masks.store import MaskEntry
from visnet_aug.shards import file_of, read_index, shard_of
from visnet_aug.verification.verdict import Problem

_TABLES: Final = (*SIDECARS, MASK_TABLE)


def find_strays(
    root: Path, rows: Sequence[ManifestRow], entries: Mapping[str, MaskEntry]
) -> Iterator[Problem]:
    """Yield files in the image folders, in shards and among the masks that have no row.

    Other files beside them (``report/``, notes) do not belong to the build and are ignored, except
    for tables that a killed run left half written.

    Raises:
        OutputError: A folder cannot be listed.
    """
    images = {row.path for row in rows}
    files = {file_of(path) for path in images}
    masks = {f"{MASK_FOLDER}/{name}.png" for name, entry in entries.items() if entry.accepted}
    folders = {path.partition("/")[0] for path in images if "/" in path} | {MASK_FOLDER}
    there = {path for folder in folders for path in _walk(root, folder)}
    strays = there - files - table_paths(files) - masks | _strays_in_shards(root, images)
    half_written = {part_of(root / name).name for name in _TABLES if part_of(root / name).exists()}
    for path in sorted(strays | half_written):
        yield Problem("stray", path.encode(errors="backslashreplace").decode())


def find_changed_shards(root: Path, checksums: Mapping[str, str]) -> Iterator[Problem]:
    """Yield shards whose checksum changed since they were built.

    Their images have checksums of their own; this covers the rest of a tar. Shards that cannot be
    read are reported elsewhere: their images are missing.
    """
    for shard, sha256 in sorted(checksums.items()):
        with suppress(OSError):
            if sha256_of_file(root / shard) != sha256:
                yield Problem("changed", shard)


def _strays_in_shards(root: Path, images: Collection[str]) -> set[str]:
    """Return the members of shards that are neither images nor belong to one."""
    there: set[str] = set()
    for shard in {shard for path in images if (shard := shard_of(path))}:
        with suppress(OSError):
            there.update(f"{shard}/{name}" for name in read_index(root / shard))
    known = {path for image in images if shard_of(image) for path in (image, *companions(image))}
    return there - known


def _walk(root: Path, folder: str) -> Iterator[str]:
    """Yield everything below a folder except folders; links are not followed."""
    try:
        entries = list(os.scandir(root / folder))
    except (FileNotFoundError, NotADirectoryError):  # its images are then missing
        return
    except OSError as error:
        raise cannot("listed", root / folder, error) from error
    for entry in entries:
        path = f"{folder}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(root, path)
        else:
            yield path
