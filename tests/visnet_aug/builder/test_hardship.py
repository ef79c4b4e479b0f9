"""Disks that are full or read-only, images that vanish or change: nothing is left half-written."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from benchmarks.crash import tree
from visnet_aug.builder.build import Observer, build
from visnet_aug.errors import DatasetError, OutputError
from visnet_aug.masks.compute import SegmenterFactory
from visnet_aug.progress import Advance
from visnet_aug.recipe import Recipe

RECIPE = Recipe(images=47)
OPTIONS = {"workers": 1}


@pytest.fixture(scope="module")
def built(
    market: Path, ellipses: SegmenterFactory, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What a build makes where nothing goes wrong."""
    out = tmp_path_factory.mktemp("built") / "aug"
    build(market, out, recipe=RECIPE, **OPTIONS, segmenter=ellipses)
    return tree(out)


class Disk:
    """A file system of its own, in memory."""

    def __init__(self, root: Path) -> None:
        self.out = root / "aug"
        self._root = root

    def mount(self, options: str) -> None:
        if shutil.which("mount") is None:
            pytest.skip("no file system can be mounted here: there is no mount")
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self._root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")

    def unmount(self) -> None:
        subprocess.run(["umount", str(self._root)], capture_output=True, check=False)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    root = tmp_path / "disk"
    root.mkdir()
    disk = Disk(root)
    yield disk
    disk.unmount()


@pytest.mark.parametrize(
    ("kilobytes", "where"),
    [
        (24, "/masks"),
        (72, "/.visnet/|/bounding_box_test/"),
        (236, "_1_"),
        (272, "/manifest.csv|aug/[^/]+: "),
    ],
    ids=["masks", "pass through", "render", "tables"],
)
def test_a_full_disk_is_a_clear_error_and_nothing_is_half_written(
    built: dict[str, str],
    market: Path,
    ellipses: SegmenterFactory,
    disk: Disk,
    kilobytes: int,
    where: str,
) -> None:
    disk.mount(f"size={kilobytes}k")
    with pytest.raises(OutputError, match=f"({where}).*cannot be written .No space left"):
        build(market, disk.out, recipe=RECIPE, **OPTIONS, segmenter=ellipses)
    assert not [path for path in tree(disk.out) if path.endswith(".part")]
    assert not (disk.out / "manifest.csv").exists()
    disk.mount("remount,size=8m")
    build(market, disk.out, recipe=RECIPE, **OPTIONS, segmenter=ellipses)
    assert tree(disk.out) == built


def test_a_read_only_folder_is_a_clear_error(
    built: dict[str, str], market: Path, ellipses: SegmenterFactory, disk: Disk
) -> None:
    disk.mount("size=8m")
    with pytest.raises(KeyboardInterrupt):
        build(
            market,
            disk.out,
            recipe=RECIPE,
            **OPTIONS,
            segmenter=ellipses,
            observer=At("render", stop),
        )
    before = tree(disk.out)
    disk.mount("remount,ro")
    for out in (disk.out, disk.out.with_name("new")):
        with pytest.raises(OutputError, match=r"cannot be .* .Read-only file system"):
            build(market, out, recipe=RECIPE, **OPTIONS, segmenter=ellipses)
    assert tree(disk.out) == before
    disk.mount("remount,rw")
    build(market, disk.out, recipe=RECIPE, **OPTIONS, segmenter=ellipses)
    assert tree(disk.out) == built


class At(Observer):
    """Does something as a stage begins."""

    def __init__(self, name: str, harm: Callable[[], object]) -> None:
        self._name, self._harm = name, harm

    def stage(self, name: str) -> AbstractContextManager[Advance]:
        if name == self._name:
            self._harm()
        return super().stage(name)


def stop() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("stage", ["mask", "pass through", "render"])
@pytest.mark.parametrize("change", [None, b"another image"], ids=["vanishes", "changes"])
def test_a_source_that_vanishes_or_changes_stops_the_build_with_its_name(
    built: dict[str, str],
    make_market: Callable[[Path], Path],
    ellipses: SegmenterFactory,
    tmp_path: Path,
    stage: str,
    change: bytes | None,
) -> None:
    source, out = make_market(tmp_path / "set"), tmp_path / "aug"
    image = source / "bounding_box_train" / "0003_c3s1_001033_00.jpg"
    data = image.read_bytes()

    def harm() -> None:
        image.unlink()
        if change is not None:
            image.write_bytes(change)

    message = "cannot be read any more" if change is None else "changed since the dataset was read"
    with pytest.raises(DatasetError, match=f"{image.name}: {message}.*run again"):
        build(source, out, recipe=RECIPE, **OPTIONS, segmenter=ellipses, observer=At(stage, harm))
    assert not [path for path in tree(out) if path.endswith(".part")]
    assert not (out / "manifest.csv").exists()
    if stage != "mask":  # which dataset it is has been written down
        with pytest.raises(OutputError, match=r"holds another build: source is .* --force starts"):
            build(source, out, recipe=RECIPE, **OPTIONS, segmenter=ellipses)
    image.write_bytes(data)
    build(source, out, recipe=RECIPE, **OPTIONS, segmenter=ellipses)
    assert tree(out) == built
