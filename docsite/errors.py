"""Reference of exit codes: the error classes of both tools."""

from __future__ import annotations

from collections.abc import Iterator

from docsite.markdown import code, describe, table
from visnet_aug import errors as aug_errors
from visnet_aug.command import INTERRUPTED
from visnet_aug.errors import VisnetError
from visnet_model import errors as model_errors


def exit_codes() -> str:
    """List every error with its exit code, by code."""
    kinds = sorted(error_classes(), key=lambda kind: (kind.exit_code, kind.__module__))
    rows = [
        (code(kind.exit_code), describe(kind), code(f"{kind.__module__}.{kind.__name__}"))
        for kind in kinds
    ]
    interrupted = (code(INTERRUPTED), "Interrupted, by Ctrl-C or a signal.", "")
    return table(("exit code", "when", "in Python"), [*rows, interrupted])


def error_classes() -> Iterator[type[VisnetError]]:
    """Yield every class of error that either tool raises."""
    for module in (aug_errors, model_errors):
        for thing in vars(module).values():
            if (
                isinstance(thing, type)
                and issubclass(thing, VisnetError)
                and thing.__module__ == module.__name__
                and thing is not VisnetError
            ):
                yield thing
