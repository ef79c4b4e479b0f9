"""Every error a user can cause, each with its documented exit code.

The command line prints ``str(error)`` on one line and leaves with ``error.exit_code``; a
traceback therefore always means a bug of ours. Exit code 1 is for commands whose job is to find
problems (``doctor``) and found some; 2 is click's own for unusable arguments; 130 is an
interrupt.
"""

from __future__ import annotations


class VisnetError(Exception):
    """Base of all errors shown to users: one line that says what, where and what to do."""

    exit_code = 1


class RecipeError(VisnetError):
    """A recipe or an option's value cannot be used."""

    exit_code = 2


class DatasetError(VisnetError):
    """The source dataset is missing, misplaced, empty, or stopped the run (``--on-error stop``)."""

    exit_code = 3


class PlanError(VisnetError):
    """The number of images asked for cannot be made from what there is."""

    exit_code = 4


class WeightsError(VisnetError):
    """Segmenter weights are missing, corrupt, unknown, or would need a download not asked for."""

    exit_code = 5


class OutputError(VisnetError):
    """The output folder cannot be written, or holds something that must not be overwritten."""

    exit_code = 6


class ManifestError(VisnetError):
    """A manifest breaks its schema; the message names the file, the row and the column."""

    exit_code = 7
