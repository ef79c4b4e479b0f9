"""Writes tar shards that the WebDataset library reads.

Each image is a sample of three files with one key, its stem: the image, its record (``.json``) and
its mask (``.mask.png``, black where no usable one is known). All samples have all three, and a
record has a value for what only copies have, too: readers take the first sample for the rule.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from visnet_aug.builder.finished import stem_of
from visnet_aug.builder.metadata import describe_image
from visnet_aug.builder.packing import MASK_SUFFIX, RECORD_SUFFIX
from visnet_aug.files import replace_file
from visnet_aug.imports import without_torch
from visnet_aug.manifest import ManifestRow

_OWNER: Final = "visnet"


class StoppedError(Exception):
    """The run ended before a shard was finished; there is nothing of it."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An image's files.

    Attributes:
        image: The image file's bytes.
        row: Its row in the manifest.
        mask: Bytes of its mask.
    """

    image: bytes
    row: ManifestRow
    mask: bytes


def write_shard(path: Path, samples: Iterable[Sample]) -> str:
    """Write a tar, sample by sample; the same samples give the same bytes.

    Returns:
        SHA-256 of its bytes, in hex.

    Raises:
        OutputError: It cannot be written.
    """
    checksum = hashlib.sha256()

    def write(file: BinaryIO) -> None:
        checked = _Checked(file, checksum.update)
        writer = _tar_writer()(checked, user=_OWNER, group=_OWNER, mtime=0, encoder=False)
        with writer as tar:
            for sample in samples:
                tar.write(_files(sample))

    replace_file(path, write)
    return checksum.hexdigest()


class _Checked:
    """A file to write to, whose bytes pass through a checksum."""

    def __init__(self, file: BinaryIO, update: Callable[[bytes], None]) -> None:
        self._file = file
        self._update = update

    def write(self, data: bytes) -> int:
        self._update(data)
        return self._file.write(data)


def _files(sample: Sample) -> dict[str, str | bytes]:
    """Return a sample as WebDataset has it: a key, and a file's bytes by what follows the key."""
    path = sample.row.path
    record = describe_image(sample.row)
    return {
        "__key__": stem_of(path),
        path.rpartition(".")[2]: sample.image,
        RECORD_SUFFIX[1:]: json.dumps(record, separators=(",", ":")).encode(),
        MASK_SUFFIX[1:]: sample.mask,
    }


def _tar_writer() -> Any:
    """Import WebDataset without torch, which only its readers need (1 s and 200 MB a process)."""
    with without_torch():
        import webdataset
    return webdataset.TarWriter
