from __future__ import annotations

import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.shards import file_of, read_bytes, read_index, shard_of

FILES = {"a.jpg": b"first", "a.json": b"{}", "deep/b.jpg": b"", "c.jpg": b"x" * 5000}


def write_tar(
    path: Path, files: dict[str, bytes], *others: tarfile.TarInfo, kind: int = tarfile.PAX_FORMAT
) -> None:
    with tarfile.open(path, "w", format=kind) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        for entry in others:
            tar.addfile(entry)


def entry(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.mark.parametrize(
    ("path", "shard"),
    [
        ("bounding_box_train/0002_c1s1_000451_03.jpg", None),
        ("shards/train-000003.tar/0002_c1s1_000451_03.jpg", "shards/train-000003.tar"),
        ("a.tar/deep/b.jpg", "a.tar"),
        ("shards/train-000003.tar", None),
        ("shards/my.tar.gz/a.jpg", None),
    ],
)
def test_a_path_says_in_which_file_it_is(path: str, shard: str | None) -> None:
    assert shard_of(path) == shard
    assert file_of(path) == (shard or path)


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_members_are_read_like_files(tmp_path: Path, kind: int) -> None:
    (tmp_path / "shards").mkdir()
    long = {f"{'long' * 24}/{'name' * 20}.jpg": b"long"}
    write_tar(tmp_path / "shards/x.tar", FILES | long, kind=kind)
    for name, data in (FILES | long).items():
        assert read_bytes(tmp_path, f"shards/x.tar/{name}") == data
    (tmp_path / "shards/plain.jpg").write_bytes(b"plain")
    assert read_bytes(tmp_path, "shards/plain.jpg") == b"plain"
    assert list(read_index(tmp_path / "shards/x.tar")) == [*FILES, *long]


@pytest.mark.parametrize(
    "path",
    ["no.jpg", "no.tar/a.jpg", "x.tar/no.jpg", "x.tar/deep", "x.tar/../x.tar", "x.tar//a.jpg"],
)
def test_what_is_missing_is_missed_as_a_file_would_be(tmp_path: Path, path: str) -> None:
    write_tar(tmp_path / "x.tar", FILES)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path, path)


@pytest.mark.parametrize(
    "other",
    [
        entry("other", tarfile.SYMTYPE, "../secret"),
        entry("other", tarfile.LNKTYPE, "a.jpg"),
        entry("other", tarfile.DIRTYPE),
        entry("other", tarfile.FIFOTYPE),
        entry("other", tarfile.CHRTYPE),
    ],
    ids=["symlink", "hard link", "folder", "fifo", "device"],
)
def test_only_plain_files_are_in_a_tar(tmp_path: Path, other: tarfile.TarInfo) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    write_tar(tmp_path / "x.tar", FILES, other)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path, "x.tar/other")
    assert read_bytes(tmp_path, "x.tar/a.jpg") == FILES["a.jpg"]


def test_a_member_that_would_climb_out_is_a_name_and_nothing_else(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", {"../../etc/passwd": b"mine"})
    assert read_bytes(tmp_path, "x.tar/../../etc/passwd") == b"mine"


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", FILES)
    with tarfile.open(tmp_path / "x.tar", "a") as tar:
        tar.addfile(tarfile.TarInfo("a.jpg"))
    with pytest.raises(OSError, match=r"a\.jpg is in it twice"):
        read_bytes(tmp_path, "x.tar/c.jpg")


@pytest.mark.parametrize("data", [b"", b"no tar", b"\xff" * 2000], ids=["empty", "text", "noise"])
def test_what_is_no_tar_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(OSError, match="damaged tar"):
        read_bytes(tmp_path, "x.tar/a.jpg")


def test_a_tar_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", FILES)
    whole = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "x.tar").write_bytes(whole[: whole.index(b"x" * 100) + 200])
    with pytest.raises(OSError, match="damaged tar"):
        read_bytes(tmp_path, "x.tar/c.jpg")


def test_a_size_below_zero_ends(tmp_path: Path) -> None:
    """Python's tar reader would go back to the same member for ever (CVE-2025-8194)."""
    for size in (-1, -1024):
        header = bytearray(tarfile.TarInfo("a.jpg").tobuf(tarfile.GNU_FORMAT))
        header[124:136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)  # type: ignore[attr-defined]
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        (tmp_path / "x.tar").write_bytes(bytes(header) + bytes(4096))
        with pytest.raises(OSError, match="damaged tar"):
            read_bytes(tmp_path, "x.tar/a.jpg")


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_damaged_tar_gives_bytes_or_an_error_of_the_system(data: st.DataObject) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder, "x.tar")
        write_tar(path, FILES | {"ü.jpg": b"pax"})
        content = bytearray(path.read_bytes()[:9000])
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        for name in FILES:
            try:
                assert isinstance(read_bytes(Path(folder), f"x.tar/{name}"), bytes)
            except OSError:
                continue


def test_a_tar_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    write_tar(tmp_path / "x.tar", FILES)
    assert read_bytes(tmp_path, "x.tar/a.jpg") == b"first"
    write_tar(tmp_path / "y.tar", {"b.jpg": b"before", "a.jpg": b"second"})
    (tmp_path / "y.tar").replace(tmp_path / "x.tar")
    assert read_bytes(tmp_path, "x.tar/a.jpg") == b"second"


def test_threads_make_an_index_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tar(tmp_path / "x.tar", FILES)
    opened: list[str] = []
    plain = tarfile.open

    def noting(name: str, mode: str) -> tarfile.TarFile:
        opened.append(name)
        return plain(name, mode)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr("visnet_aug.shards.tarfile.open", noting)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: read_bytes(tmp_path, "x.tar/a.jpg"), range(32))) == {b"first"}
    assert len(opened) == 1
