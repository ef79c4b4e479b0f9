from __future__ import annotations

import inspect

import pytest

from visnet_aug import errors
from visnet_aug.command import CHECK_FAILED, INTERRUPTED
from visnet_aug.errors import VisnetError

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, VisnetError) and kind is not VisnetError
]


def test_an_exit_code_means_one_thing() -> None:
    codes = [kind.exit_code for kind in KINDS]
    assert len(set(codes)) == len(codes) == 8
    assert not {0, CHECK_FAILED, INTERRUPTED}.intersection(codes)


def test_the_base_of_all_errors_has_no_code() -> None:
    with pytest.raises(AttributeError):
        _ = VisnetError.exit_code
