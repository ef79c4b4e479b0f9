"""Locks an output folder, so that only one build works in it.

The lock is the system's own (``flock``) on a small file: the system releases it when its holder
ends, however it ends. Workers share it, so that the folder of a killed build is free only when the
last process that could still write into it is gone, which takes a moment. The file says who holds
it, for the error message, and is removed afterwards.

Machines that share a folder over NFS see each other's locks, unless it is mounted with
``local_lock`` or ``nolock``. Where the file system has no locks at all, there is no protection.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from visnet_aug.builder.journal import FOLDER
from visnet_aug.errors import OutputError
from visnet_aug.files import cannot, make_folder, remove_file

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NAME: Final = "lock"

PATIENCE: Final = 10.0
"""Seconds to wait for the workers of a killed build to end; they need a fraction of one."""

_NO_LOCKS: Final = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def hold(root: Path) -> Iterator[None]:
    """Hold an output folder's lock; the folder is made if necessary.

    Raises:
        OutputError: Another process is working in it, or it cannot be written.
    """
    file = _acquire(root)
    try:
        yield
    finally:
        remove_file(lock_path(root))  # before the release, so that no other holder's is removed
        file.close()


def share(root: Path) -> IO[bytes] | None:
    """Keep a folder locked as long as this process lives and keeps the result.

    For workers of the process that holds the lock. ``None`` where there is no lock to share.
    """
    with suppress(OSError):  # no lock file, or a file system without locks
        file = lock_path(root).open("rb")
        if _try_lock(file, exclusive=False):
            return file
        file.close()
    return None


def lock_path(root: Path) -> Path:
    """Return where the lock of an output folder is."""
    return root / FOLDER / NAME


def _acquire(root: Path) -> IO[bytes]:
    """Get the lock; wait a little for the workers of a dead process."""
    path = lock_path(root)
    deadline = time.monotonic() + PATIENCE
    while True:
        make_folder(path.parent)
        try:
            file = path.open("a+b", buffering=0)
            if _take(file, path):
                return file
            holder = _read_holder(file)
            file.close()
        except FileNotFoundError:  # its holder has just removed it, and perhaps the folder
            continue
        except OSError as error:
            raise cannot("written", path, error) from error
        if _is_running(holder) or time.monotonic() > deadline:
            raise OutputError(
                f"{root}: {_describe(holder)} is working in it; wait for it or end it, or choose "
                "another --out"
            )
        time.sleep(0.02)


def _take(file: IO[bytes], path: Path) -> bool:
    """Try to lock an open file: exclusively at first, then so that workers can share it."""
    if not _try_lock(file, exclusive=True):
        return False
    if not os.path.samestat(path.stat(), os.fstat(file.fileno())):
        file.close()  # its holder removed it, and a new one was made
        raise FileNotFoundError
    file.truncate(0)
    file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
    return _try_lock(file, exclusive=False)


def _try_lock(file: IO[bytes], *, exclusive: bool) -> bool:
    """Lock a file unless another process has; without file locks, pretend to."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _NO_LOCKS
    return True


def _read_holder(file: IO[bytes]) -> dict[str, Any]:
    file.seek(0)
    try:
        holder = json.loads(file.read())
        return {"pid": int(holder["pid"]), "host": str(holder["host"])}
    except (ValueError, KeyError, TypeError):  # it is just being written
        return {}


def _is_running(holder: dict[str, Any]) -> bool:
    """Tell whether the process that took the lock lives, as far as this machine can know."""
    if not holder:
        return False
    if holder["host"] != socket.gethostname():
        return True
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return False
    except OSError:  # it lives, but belongs to another user
        return True
    return True


def _describe(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process"
    here = holder["host"] == socket.gethostname()
    return f"process {holder['pid']}{'' if here else ' on ' + holder['host']}"
