from __future__ import annotations

from pathlib import Path

import pytest

from visnet_aug.builder.identity import check_same, differences
from visnet_aug.errors import OutputError

IDENTITY = {"recipe": {"seed": 0, "masks": {"min_area": 0.1}}, "source": "a" * 64}


def test_another_build_is_refused_with_what_differs() -> None:
    check_same(Path("aug"), IDENTITY, IDENTITY)
    check_same(Path("aug"), IDENTITY, {"source": "a" * 64})
    check_same(Path("aug"), None, {"source": "other"})
    other = {"recipe": {"seed": 1, "masks": {"min_area": 0.2}}, "source": "b" * 64}
    with pytest.raises(OutputError) as caught:
        check_same(Path("aug"), IDENTITY, other)
    assert "recipe.masks.min_area is 0.1 there and 0.2 here (and 2 more); --force" in str(
        caught.value
    )


def test_differences_name_every_value() -> None:
    there = {"a": 1, "b": {"c": [1, 2], "d": None}, "gone": "x" * 99}
    here = {"a": 1, "b": {"c": [1, 3], "d": None}, "new": True}
    assert list(differences(there, here)) == [
        "b.c is [1, 2] there and [1, 3] here",
        f'gone is "{"x" * 36}... there and null here',
        "new is null there and true here",
    ]
