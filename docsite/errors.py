"""Reference of exit codes: the error classes of both tools, which are all that users can cause."""

from __future__ import annotations

from collections.abc import Iterator

from docsite.markdown import code, describe, table
from visnet_aug import errors as aug_errors
from visnet_aug.command import INTERRUPTED
from visnet_aug.errors import VisnetError
from visnet_model import errors as model_errors
from visnet_model.errors import ModelError

BASES = (VisnetError, ModelError)
"""Errors that are never raised themselves."""


def exit_codes() -> str:
    """List every error with its exit code, by code."""
    kinds = sorted(error_classes(), key=lambda kind: (kind.exit_code, kind.__module__))
    return table(
        ("exit code", "raised by", "error", "when"),
        (
            *(
                (
                    code(kind.exit_code),
                    code(kind.__module__.partition(".")[0]),
                    code(kind.__name__),
                    describe(kind),
                )
                for kind in kinds
            ),
            (code(INTERRUPTED), "both", "", "Interrupted, by Ctrl-C or a signal."),
        ),
    )


def error_classes() -> Iterator[type[VisnetError]]:
    """Yield every class of error that either tool raises."""
    for module in (aug_errors, model_errors):
        for thing in vars(module).values():
            if (
                isinstance(thing, type)
                and issubclass(thing, VisnetError)
                and thing.__module__ == module.__name__
                and thing not in BASES
            ):
                yield thing
