"""Finds the files below a folder, and which of them may be images by their names."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from visnet_aug.datasets.layout import SUFFIXES, is_litter
from visnet_aug.errors import DatasetError

NO_IMAGES: Final = frozenset(
    {
        "txt", "md", "rst", "log", "csv", "tsv", "json", "jsonl", "ndjson", "xml", "yaml",
        "yml", "toml", "ini", "cfg", "html", "htm", "bib", "tex",
        "pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "license", "readme", "makefile",
        "changelog",
        "mat", "npy", "npz", "pkl", "pickle", "pt", "pth", "onnx", "safetensors", "h5", "hdf5",
        "parquet", "arrow", "feather", "db", "sqlite",
        "mp4", "avi", "mov", "mkv", "webm", "m4v", "mp3", "wav",
        "zip", "tar", "gz", "tgz", "bz2", "xz", "7z", "rar",
        "py", "ipynb", "sh", "bat", "m", "c", "cpp", "h", "lock",
    }
)  # fmt: skip
"""Suffixes (and whole names) of files that are no images. Of all others, the bytes decide."""

_IMAGE = re.compile(f"(?P<stem>.+?){SUFFIXES}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Found:
    """The files below a folder.

    Attributes:
        images: Paths of those that may be images, relative to the folder, with ``/``, sorted folder
            by folder.
        others: Number of files of `NO_IMAGES`, by suffix.
    """

    images: list[str]
    others: Mapping[str, int]


def find_files(root: Path) -> Found:
    """Find all files below a folder.

    Raises:
        DatasetError: A folder cannot be listed.
    """
    images: list[str] = []
    others: Counter[str] = Counter()
    for path in walk(root):
        suffix = path.rpartition("/")[2].lower().rpartition(".")[2]
        if suffix in NO_IMAGES:
            others[suffix] += 1
        else:
            images.append(path)
    return Found(images, dict(sorted(others.items())))


def image_stem(path: str) -> str:
    """Return a path without its image suffixes."""
    match = _IMAGE.fullmatch(path)
    return match["stem"] if match else path


def walk(root: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder except litter.

    Links are followed, but not in circles.

    Raises:
        DatasetError: A folder cannot be listed.
    """
    return _walk(root, "", frozenset())


def _walk(root: Path, path: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
    try:
        here = (root / path).stat()
        inside = sorted(os.scandir(root / path), key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(
            f"{root / path}: cannot be listed ({error.strerror}); repair its permissions"
        ) from error
    if (here.st_dev, here.st_ino) in above:
        return
    for entry in inside:
        if is_litter(entry.name):
            continue
        below = f"{path}/{entry.name}" if path else entry.name
        if _is_folder(entry):
            yield from _walk(root, below, above | {(here.st_dev, here.st_ino)})
        else:
            yield below


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell a folder; a link that leads nowhere, or in a circle, is a file that cannot be read."""
    try:
        return entry.is_dir()
    except OSError:
        return False
