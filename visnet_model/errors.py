"""Every error that a user of visnet_model can cause, each with its documented exit code.

As in ``visnet_aug.errors``, whose codes these share: the command line prints ``str(error)`` on one
line and leaves with ``error.exit_code``, so that a traceback always means a bug of ours. Files
that cannot be written are its ``OutputError`` (6), a damaged manifest its ``ManifestError`` (7),
unusable settings its ``RecipeError`` (2).
"""

from __future__ import annotations

from visnet_aug.errors import VisnetError


class ModelError(VisnetError):
    """Something that is needed is missing: a package, or a device's memory.

    The base of all other errors of this package, too: one line that says what, where and what to
    do.
    """

    exit_code = 1


class DataError(ModelError):
    """A manifest or its images cannot be used for what was asked."""

    exit_code = 3


class CheckpointError(ModelError):
    """A checkpoint is missing, unreadable, foreign, or of another run."""

    exit_code = 4


class WeightsError(ModelError):
    """A backbone's weights are missing, unreadable, or those of another network."""

    exit_code = 5


class TrainingError(ModelError):
    """Training cannot go on: a loss is not finite, or a process of it was lost."""

    exit_code = 8


class ExportError(ModelError):
    """An exported network is not the one it was made from, or its format is not supported here."""

    exit_code = 9
