"""Errors of training, evaluation and export that a user can cause, each with its exit code.

They extend those of ``visnet_aug.errors``, which both tools share, and work alike: a command
prints ``str(error)`` on one line and exits with ``error.exit_code``, so that a traceback always
means a bug of ours. The codes here start at 10, because a code means one thing in both tools.
"""

from __future__ import annotations

from visnet_aug.errors import VisnetError


class CheckpointError(VisnetError):
    """A checkpoint is missing, unreadable, not one of ours, or of another run."""

    exit_code = 10


class TrainingError(VisnetError):
    """A training diverged: a loss is not finite, or embeddings have no unit norm."""

    exit_code = 11


class ExportError(VisnetError):
    """A network cannot be exported, or the exported file does not compute the same."""

    exit_code = 12


class DeviceMemoryError(VisnetError):
    """The device does not have enough memory for a batch."""

    exit_code = 13


class MissingPackageError(VisnetError):
    """An optional package is needed and cannot be imported."""

    exit_code = 14
