"""Every error a user can cause, each with its documented exit code.

The command line prints ``str(error)`` on one line and exits with ``error.exit_code``; a traceback
therefore always means a bug of ours. Every ``--help`` lists its command's codes, in the words of
the first lines below. A code means one thing: 1 is no error's, but what a check (``doctor``,
``verify``, ``replay``) returns when it found something wrong; click uses 2 as `RecipeError` does,
for unusable arguments; 130 is an interrupt. Errors of ``visnet_model`` have the codes from 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pathlib import Path


class VisnetError(Exception):
    """Base of all errors shown to users: one line that says what, where and what to do.

    Attributes:
        exit_code: What a command exits with after this error.

    Example:
        >>> from visnet_aug import VisnetError, verify
        >>> try:
        ...     verify("drawn")
        ... except VisnetError as error:
        ...     print(type(error).__name__, error.exit_code)
        OutputError 6
    """

    exit_code: ClassVar[int]


class RecipeError(VisnetError):
    """An argument, an option or a recipe cannot be used.

    Example:
        >>> from visnet_aug import Recipe, RecipeError
        >>> try:
        ...     Recipe().replace(encoding="gif")
        ... except RecipeError as error:
        ...     print(error)
        encoding: expected match, png or jpeg:Q with Q in 1..100, got 'gif'
    """

    exit_code = 2


class DatasetError(VisnetError):
    """The source dataset, or an image, cannot be used.

    It is missing, misplaced, empty, damaged (a build's, with ``--on-error stop`` only), or changed
    while it was in use.

    Example:
        >>> from visnet_aug import DatasetError, build
        >>> try:
        ...     build("nowhere", "out")
        ... except DatasetError as error:
        ...     print(str(error).partition("; ")[2])
        give the dataset's folder
    """

    exit_code = 3


class PlanError(VisnetError):
    """The number of images or identities asked for cannot be made from what there is.

    Example:
        >>> from visnet_aug import PlanError, build
        >>> try:
        ...     build("drawn", "few", images=1, workers=1)
        ... except PlanError as error:
        ...     print(error.exit_code)
        4
    """

    exit_code = 4


class WeightsError(VisnetError):
    """Segmenter weights are missing, corrupt, unknown, or would need a download not asked for.

    Example:
        >>> from visnet_aug import Segmenter, WeightsError
        >>> try:
        ...     Segmenter("nowhere.pt")
        ... except WeightsError as error:
        ...     print(error)  # doctest: +ELLIPSIS
        --weights nowhere.pt: nowhere.pt: no such file...
    """

    exit_code = 5


class OutputError(VisnetError):
    """An output folder or file cannot be used.

    It cannot be written or read, something in it is damaged, it holds no finished build where one
    is wanted, or it holds what must not be overwritten: other files, or another build.

    Example:
        >>> from visnet_aug import OutputError, Recipe, build
        >>> try:
        ...     build("drawn", "aug", recipe=Recipe(seed=8), workers=1)
        ... except OutputError as error:
        ...     print(error.exit_code)
        6
    """

    exit_code = 6


class ManifestError(VisnetError):
    """A manifest breaks its schema; the message names the file, the row and the column.

    Example:
        >>> from visnet_aug import ManifestError, read_manifest
        >>> try:
        ...     read_manifest("aug/masks.csv")
        ... except ManifestError as error:
        ...     print(error)  # doctest: +ELLIPSIS
        aug/masks.csv: row 1: ...
    """

    exit_code = 7


class WorkerError(VisnetError):
    """A worker process died: killed by the system because memory ran out, or crashed.

    Example:
        >>> from visnet_aug import WorkerError, verify
        >>> try:
        ...     sound = verify("aug", workers=1).sound
        ... except WorkerError:  # again, with fewer processes
        ...     sound = verify("aug", workers=1).sound
        >>> sound
        True
    """

    exit_code = 8


class EngineError(VisnetError):
    """An engine cannot be used: Ray is not installed, or its cluster cannot be reached or fails.

    Example:
        >>> from visnet_aug import EngineError
        >>> EngineError.exit_code
        9
    """

    exit_code = 9


def printable(path: str | Path) -> str:
    """Return a path for a one-line message: names can hold line breaks and broken UTF-8."""
    return str(path) if str(path).isprintable() else repr(str(path))
