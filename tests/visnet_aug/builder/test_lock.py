from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from visnet_aug.builder import lock
from visnet_aug.builder.lock import hold, lock_path, share
from visnet_aug.errors import OutputError

HOLDER = """
import sys
from pathlib import Path
from visnet_aug.builder.lock import hold, share

with {how}(Path({root!r})) as held:
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def process(root: Path, how: str = "hold") -> Iterator[subprocess.Popen[str]]:
    """Another process that has the lock."""
    script = HOLDER.format(how=how, root=str(root))
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other


def test_a_lock_is_for_one_and_leaves_no_file(tmp_path: Path) -> None:
    for _ in range(2):
        with hold(tmp_path):
            message = f"process {os.getpid()} is working in it; wait for it"
            with pytest.raises(OutputError, match=message), hold(tmp_path):
                pass
            assert lock_path(tmp_path).exists()
        assert not lock_path(tmp_path).exists()


def test_another_process_is_named_until_it_is_dead(tmp_path: Path) -> None:
    with process(tmp_path) as other:
        with pytest.raises(OutputError, match=f"process {other.pid} is working"), hold(tmp_path):
            pass
        other.send_signal(signal.SIGKILL)
    assert lock_path(tmp_path).exists()
    with hold(tmp_path):
        assert json.loads(lock_path(tmp_path).read_bytes())["pid"] == os.getpid()
    assert not lock_path(tmp_path).exists()


def test_the_workers_of_a_dead_build_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with process(tmp_path) as dead:
        dead.send_signal(signal.SIGKILL)
    monkeypatch.setattr(lock, "PATIENCE", 0.0)
    with process(tmp_path, "share"):
        with pytest.raises(OutputError, match=f"process {dead.pid} is working"), hold(tmp_path):
            pass
        monkeypatch.setattr(lock, "PATIENCE", 1e9)
        worker = share(tmp_path)
        assert worker is not None
        leaving = [worker.close]
        monkeypatch.setattr(lock.time, "sleep", lambda seconds: leaving.pop()())
        with pytest.raises(IndexError), hold(tmp_path):  # one has left, the other has not
            pass


def test_a_holder_on_another_machine_is_not_judged_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with process(tmp_path) as other:
        monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
        monkeypatch.setattr(os, "kill", lambda pid, signal: pytest.fail("asked here"))
        with pytest.raises(OutputError, match=f"process {other.pid} on "), hold(tmp_path):
            pass


def test_a_lock_that_was_removed_meanwhile_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder has ended between our opening it and our locking it."""
    true, calls = lock._try_lock, 0

    def late(file, *, exclusive):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls == 1:
            lock_path(tmp_path).unlink()
            lock_path(tmp_path).parent.rmdir()
        return true(file, exclusive=exclusive)

    monkeypatch.setattr(lock, "_try_lock", late)
    with hold(tmp_path):
        assert lock_path(tmp_path).exists()


def test_workers_without_a_lock_to_share_do_without(tmp_path: Path) -> None:
    assert share(tmp_path) is None


@pytest.mark.parametrize("reason", ["ENOLCK", "ENOSYS", "EOPNOTSUPP"])
def test_where_nothing_can_be_locked_builds_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    def refuse(file: object, operation: int) -> None:
        raise OSError(getattr(lock.errno, reason), "no locks")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)
    with hold(tmp_path):
        assert lock_path(tmp_path).exists()
    assert not lock_path(tmp_path).exists()
