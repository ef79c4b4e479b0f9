from __future__ import annotations

from pathlib import Path

import pytest

from visnet_aug.builder.folder import check_finished
from visnet_aug.builder.journal import journal_path
from visnet_aug.builder.rows import stem_of
from visnet_aug.errors import OutputError


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


def test_only_a_finished_build_is_let_through(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no such folder"):
        check_finished(tmp_path / "none")
    with pytest.raises(OutputError, match=r"no manifest\.csv"):
        check_finished(tmp_path)
    (tmp_path / "manifest.csv").touch()
    check_finished(tmp_path)
    journal_path(tmp_path).parent.mkdir()
    journal_path(tmp_path).touch()
    with pytest.raises(OutputError, match="unfinished"):
        check_finished(tmp_path)
