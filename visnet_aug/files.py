"""Files that are there whole or not at all: a temporary name, then a rename.

Tables are written ``durable``: they are on the disk before they get their name, so that not even
a power cut leaves an empty one. Images are not: that would cost more than rendering them, and
whoever goes on with a build checks their bytes anyway.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from visnet_aug.errors import OutputError

PART_SUFFIX = ".part"
"""What a file's or folder's name has while it is written; a killed run leaves it behind."""


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
        OutputError: It cannot be written; what was there before still is, and nothing beside it.
            So it is whatever else ``write`` raises.
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
    """Make a folder and those above it; one that is there is left as it is.

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
    """Make the error for what the system refused to do with a path.

    Args:
        what: What could not be done to it: ``written``, ``read``, ``removed``, ...
        path: The file or folder.
        error: The system's answer, whose reason is told.
    """
    return OutputError(f"{path}: cannot be {what} ({error.strerror or error})")
