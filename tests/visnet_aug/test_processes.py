from __future__ import annotations

import os

import pytest

from visnet_aug.errors import WorkerError
from visnet_aug.processes import spread


def test_results_come_in_the_order_of_the_chunks() -> None:
    chunks = [[3, 1], [2], [], [5, 4, 6]]
    for workers in (1, 2):
        assert list(spread(sorted, chunks, workers, preload="os")) == [[1, 3], [2], [], [4, 5, 6]]


def test_a_worker_that_dies_is_said_to_have_died() -> None:
    with pytest.raises(WorkerError, match="fewer --workers"):
        list(spread(os._exit, [1, 1], 2, preload="os"))
