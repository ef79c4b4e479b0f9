"""Files that are there whole or not at all: a temporary name, then a rename."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from visnet_aug.errors import OutputError

PART_SUFFIX = ".part"
"""What a file's name has while it is written; a kill leaves it, the next run removes it."""


def replace_file(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file under a temporary name and rename it, replacing what is there.

    Args:
        path: The file; its folder must exist.
        write: Called with the open temporary file.

    Raises:
        OutputError: It cannot be written; nothing is left behind.
    """
    part = path.with_name(path.name + PART_SUFFIX)
    try:
        with part.open("wb") as file:
            write(file)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def write_file(path: Path, data: bytes) -> None:
    """Write bytes as `replace_file` does."""
    replace_file(path, lambda file: file.write(data))


def cannot_write(path: Path, error: OSError) -> OutputError:
    """Name the reason why a path cannot be written."""
    return OutputError(f"{path}: cannot be written ({error.strerror or error})")
