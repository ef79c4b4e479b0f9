"""Reads images in tar shards as if a tar were a folder.

A set that is too large for single files is written as shards for the WebDataset library. In its
manifest, an image's path leads into a tar: ``shards/train-000003.tar/0002_c1s1_05.jpg``. Everything
that reads images of a built set reads them here, whether they are in shards or not.

A tar is read by an index of its members, which each process makes once. Nothing is ever extracted,
so that a member's name is only a key; anything but plain files is ignored.
"""

from __future__ import annotations

import errno
import os
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, NamedTuple

SUFFIX: Final = ".tar"

TABLE_SUFFIX: Final = ".csv"
"""Suffix of a shard's manifest, whose paths are relative to the shard's folder."""


class Member(NamedTuple):
    """Where the bytes of a plain file are in a tar."""

    offset: int
    size: int


def read_bytes(root: Path, path: str) -> bytes:
    """Read an image, or any other file that a path in a built set names.

    Args:
        root: The set's folder.
        path: Relative to it, with ``/``; a file, or a member of a tar.

    Raises:
        OSError: As `open` does: it is missing, or cannot be read; or the tar is damaged.
    """
    shard = shard_of(path)
    if shard is None:
        return (root / path).read_bytes()
    name = path[len(shard) + 1 :]
    try:
        file = (root / shard).open("rb")
    except IsADirectoryError:  # a folder with this name
        return (root / path).read_bytes()
    with file:
        member = _index_of(file).get(name)
        if member is None:
            raise FileNotFoundError(errno.ENOENT, "not in the tar", str(root / path))
        file.seek(member.offset)
        data = file.read(member.size)
    if len(data) < member.size:
        raise _damaged(root / path, "ends too early")
    return data


def read_index(shard: Path) -> Mapping[str, Member]:
    """Return the plain files in a tar by name, in the tar's order.

    Raises:
        OSError: It cannot be read, is not a tar, or has a name twice.
    """
    with shard.open("rb") as file:
        return _index_of(file)


def shard_of(path: str) -> str | None:
    """Return the path of the tar that a path leads into, or ``None``."""
    head, inside, _ = path.partition(f"{SUFFIX}/")
    return f"{head}{SUFFIX}" if inside else None


def file_of(path: str) -> str:
    """Return the file that a path is in: the tar that it leads into, or itself."""
    return shard_of(path) or path


def table_of(file: str) -> str | None:
    """Return the path of the table beside a tar, or ``None`` for any other file."""
    return f"{file.removesuffix(SUFFIX)}{TABLE_SUFFIX}" if file.endswith(SUFFIX) else None


_indexing = Lock()
"""Makes threads that want the same index wait until one of them has made it."""


def _index_of(file: BinaryIO) -> Mapping[str, Member]:
    status = os.fstat(file.fileno())
    with _indexing:
        return _index(file.name, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@cache
def _index(name: str, *stamp: int) -> Mapping[str, Member]:
    """Index a tar; ``stamp`` distinguishes it from an earlier tar with the same name."""
    members: dict[str, Member] = {}
    try:
        with tarfile.open(name, "r:") as tar:
            while (found := tar.next()) is not None:
                if found.size < 0 or tar.offset <= found.offset:  # which could loop forever
                    raise _damaged(Path(name), f"{found.name} ends before it begins")
                if not found.isreg() or found.issparse():
                    continue
                if found.name in members:
                    raise _damaged(Path(name), f"{found.name} is in it twice")
                members[found.name] = Member(found.offset_data, found.size)
    except (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
        raise _damaged(Path(name), f"{type(error).__name__}: {error}") from error
    return members


def _damaged(path: Path, what: str) -> OSError:
    return OSError(errno.EBADMSG, f"damaged tar ({what})", str(path))
