"""What every worker process does first: leave signals and its life to the main one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import wait


def follow_main() -> None:
    """Ignore Ctrl-C, and end this process when the main one is gone, however it went.

    Ctrl-C reaches every process of the terminal: the main one alone decides what it means.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_main, daemon=True).start()


def _leave_with_main() -> None:
    main = multiprocessing.parent_process()
    if main is not None:
        wait([main.sentinel])
        os._exit(1)
