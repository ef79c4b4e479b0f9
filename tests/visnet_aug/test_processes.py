from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from visnet_aug.errors import WorkerError
from visnet_aug.processes import deaf_from_birth, spread


def test_results_come_in_the_order_of_the_chunks() -> None:
    chunks = [[3, 1], [2], [], [5, 4, 6]]
    for workers, preload in ((1, None), (2, "os"), (2, None)):
        assert list(spread(sorted, chunks, workers, preload)) == [[1, 3], [2], [], [4, 5, 6]]


@pytest.mark.parametrize("preload", ["os", None])
def test_a_worker_that_dies_is_said_to_have_died(preload: str | None) -> None:
    with pytest.raises(WorkerError, match="fewer --workers"):
        list(spread(os._exit, [1, 1], 2, preload))


@pytest.mark.parametrize("preload", ["os", None])
def test_workers_leave_ctrl_c_to_the_main_process(preload: str | None) -> None:
    assert list(spread(signal.getsignal, [signal.SIGINT] * 2, 2, preload)) == [signal.SIG_IGN] * 2


def test_a_process_is_deaf_to_ctrl_c_from_birth() -> None:
    code = (
        "import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "os.kill(os.getpid(), signal.SIGINT); print('alive')"
    )
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with deaf_from_birth():
        child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (child.stdout, child.stderr) == (b"alive\n", b"")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
