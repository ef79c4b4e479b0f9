"""Files that are complete or absent (a temporary name, then a rename), and their checksums.

Tables are written ``durable``: they are on the disk before they get their name, so that not even
a power cut leaves an empty one. Images are not: that would cost more than rendering them, and a
build that is resumed checks their bytes anyway.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from visnet_aug.errors import OutputError

PART_SUFFIX = ".part"
"""Suffix of a file or folder while it is written; a killed run leaves it behind."""


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of some bytes as 64 hex digits.

    >>> sha256_of(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits, without holding them in memory.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def part_of(path: Path) -> Path:
    """Return the temporary name of a file or folder, beside it."""
    return path.with_name(path.name + PART_SUFFIX)


def replace_file(path: Path, write: Callable[[BinaryIO], object], *, durable: bool = False) -> None:
    """Write a file under a temporary name and rename it, replacing what is there.

    Args:
        path: The file; its folder must exist.
        write: Called with the open temporary file.
        durable: Wait until the content is on the disk before renaming.

    Raises:
        OutputError: It cannot be written; what was there before is unchanged, and no temporary
            file is left. The same holds for whatever else ``write`` raises.
    """
    part = part_of(path)
    try:
        with part.open("wb") as file:
            write(file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise cannot("written", path, error) from error
        raise


def write_file(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write bytes as `replace_file` does."""
    replace_file(path, lambda file: file.write(data), durable=durable)


def make_folder(path: Path) -> None:
    """Make a folder and its parents; an existing one is left as it is.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot("made", path, error) from error


def remove_file(path: Path) -> None:
    """Remove a file, if it is there.

    Raises:
        OutputError: It cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot("removed", path, error) from error


def cannot(what: str, path: Path, error: OSError) -> OutputError:
    """Return the error for an operation on a path that the system refused.

    Args:
        what: What could not be done: ``written``, ``read``, ``removed``, ...
        path: The file or folder.
        error: The system's error, whose reason becomes part of the message.
    """
    return OutputError(f"{path}: cannot be {what} ({error.strerror or error})")
