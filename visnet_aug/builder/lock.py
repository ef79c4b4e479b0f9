"""One build at a time in a folder, by a lock that a dead process doesn't hold.

The system's own lock (``flock``) on a small file: the system takes it back when its holder ends,
however it ends. Workers share it, so that a folder whose build was killed is free only when the
last process that could still write into it is gone, which takes a moment. The file says who holds
it, for the message to others, and is removed afterwards.

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
"""Seconds that the workers of a killed build have to leave; they need a fraction of one."""

_NO_LOCKS: Final = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def hold(root: Path) -> Iterator[None]:
    """Hold an output folder's lock; the folder is made if need be.

    Raises:
        OutputError: Another process works in it, or it cannot be written.
    """
    file = _acquire(root)
    try:
        yield
    finally:
        remove_file(lock_path(root))  # before letting go, so that nobody else's is removed
        file.close()


def share(root: Path) -> IO[bytes] | None:
    """Keep a folder from being free as long as this process lives and keeps the result.

    For workers of the process that holds it. ``None`` where there is nothing to share.
    """
    with suppress(OSError):  # no lock file, or no locks here: then nobody else has one either
        file = lock_path(root).open("rb")
        if _try_lock(file, exclusive=False):
            return file
        file.close()
    return None


def lock_path(root: Path) -> Path:
    """Return where the lock of an output folder is."""
    return root / FOLDER / NAME


def _acquire(root: Path) -> IO[bytes]:
    """Get the lock, waiting a little for the workers of a dead process."""
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
        except FileNotFoundError:  # whoever held it has just removed it, and perhaps the folder
            continue
        except OSError as error:
            raise cannot("written", path, error) from error
        if _is_running(holder) or time.monotonic() > deadline:
            raise OutputError(
                f"{root}: {_describe(holder)} is at work in it; wait for it or end it, or choose "
                "another --out"
            )
        time.sleep(0.02)


def _take(file: IO[bytes], path: Path) -> bool:
    """Try to lock an open file: alone first, then so that workers can share it."""
    if not _try_lock(file, exclusive=True):
        return False
    if not os.path.samestat(path.stat(), os.fstat(file.fileno())):
        file.close()  # its holder removed it, and another one is there
        raise FileNotFoundError
    file.truncate(0)
    file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
    return _try_lock(file, exclusive=False)


def _try_lock(file: IO[bytes], *, exclusive: bool) -> bool:
    """Lock a file unless somebody else has; where nothing can be locked, act as if it were."""
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
    except (ValueError, KeyError, TypeError):  # it is being written at this moment
        return {}


def _is_running(holder: dict[str, Any]) -> bool:
    """Tell whether the process that took the lock lives, as far as can be known from here."""
    if not holder:
        return False
    if holder["host"] != socket.gethostname():
        return True
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return False
    except OSError:  # there, but somebody else's
        return True
    return True


def _describe(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process"
    here = holder["host"] == socket.gethostname()
    return f"process {holder['pid']}{'' if here else ' on ' + holder['host']}"
