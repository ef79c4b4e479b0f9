from __future__ import annotations

import pytest

from visnet_aug.builder.rows import stem_of


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("query/0001_c1s1_000001_00.jpg", "0001_c1s1_000001_00"),
        ("0002_c1s1_000451_03.jpg.jpg", "0002_c1s1_000451_03"),
        ("blur/query/a.JPEG", "a"),
        ("a.png.jpg", "a"),
        ("a.b_1_noise.png", "a.b_1_noise"),
        ("jpg", "jpg"),
    ],
)
def test_a_stem_has_none_of_the_suffixes(path: str, stem: str) -> None:
    assert stem_of(path) == stem
