"""Every error that a user of visnet_model can cause, each with its documented exit code.

As in ``visnet_aug.errors``: the command line prints ``str(error)`` on one line and leaves with
``error.exit_code``, so that a traceback always means a bug of ours.
"""

from __future__ import annotations


class ModelError(Exception):
    """Base of all errors shown to users: one line that says what, where and what to do."""

    exit_code = 1


class WeightsError(ModelError):
    """A backbone's weights are missing, unreadable, or those of another network."""

    exit_code = 5
