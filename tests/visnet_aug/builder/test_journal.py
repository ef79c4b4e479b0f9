from __future__ import annotations

from pathlib import Path

import pytest

from visnet_aug.builder.journal import Journal, Written, read_journal
from visnet_aug.errors import OutputError

IDENTITY = {"recipe": {"seed": 1}}
FILES = [
    Written("train/a.jpg", "1" * 64, 64, 128),
    Written("train/b.jpg", "2" * 64, 64, 128, {"variant": "motion", "range": [1.5, 2]}),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    with Journal(path, IDENTITY) as journal:
        journal.begin(file.path for file in FILES)
        journal.finish(FILES)
    return path


def test_a_journal_says_what_was_begun_and_finished(path: Path) -> None:
    content = read_journal(path)
    assert content.identity == IDENTITY
    assert content.begun == {file.path for file in FILES}
    assert list(content.written.values()) == FILES
    assert content.size == path.stat().st_size


def test_wherever_it_is_torn_the_whole_lines_are_used(path: Path) -> None:
    data = path.read_bytes()
    ends = [n + 1 for n, byte in enumerate(data) if byte == ord("\n")]
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        content = read_journal(path)
        whole = sum(end <= cut for end in ends)
        assert content.size == ([0, *ends][whole])
        assert (content.identity is None) == (whole < 1)
        assert len(content.begun) == (2 if whole >= 2 else 0)
        assert len(content.written) == max(0, whole - 2)


@pytest.mark.parametrize("line", [b"[]\n", b"3\n", b"{}\n", b'{"path": 1, "x": 2}\n', b"\xff\n"])
def test_after_an_unsound_line_nothing_is_trusted(path: Path, line: bytes) -> None:
    data = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*data[:2], line, *data[2:]]))
    content = read_journal(path)
    assert content.written == {}
    assert content.size == len(data[0]) + len(data[1])


def test_going_on_drops_the_torn_line_and_appends(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    torn = read_journal(path)
    with Journal(path, IDENTITY, torn.size) as journal:
        journal.finish(FILES[1:])
    assert path.read_bytes() == whole


def test_starting_anew_forgets_what_was_there(path: Path) -> None:
    with Journal(path, {"recipe": {}}):
        pass
    assert read_journal(path).identity == {"recipe": {}}
    assert read_journal(path).written == {}


def test_a_journal_that_cannot_be_used_is_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        Journal(tmp_path / "no folder" / "journal.jsonl", IDENTITY)
    with pytest.raises(OutputError, match="cannot be read"):
        read_journal(tmp_path)


def test_a_disk_that_fills_up_leaves_whole_lines(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes part of a line and refuses the rest; later, when there is room, journals go on."""
    whole = path.read_bytes()
    with Journal(path, IDENTITY, len(whole)) as journal:
        file = journal._file

        class Full:
            def write(self, data: memoryview) -> int:
                if len(data) < 9:
                    raise OSError(28, "No space left on device")
                return file.write(data[: len(data) // 2])

            def __getattr__(self, name: str) -> object:
                return getattr(file, name)

        monkeypatch.setattr(journal, "_file", Full())
        with pytest.raises(OutputError, match=r"journal.jsonl: cannot be written .No space left"):
            journal.finish(FILES)
        assert path.read_bytes() == whole
        monkeypatch.undo()
        journal.begin(["train/c.jpg"])
    assert read_journal(path).begun == {"train/a.jpg", "train/b.jpg", "train/c.jpg"}
