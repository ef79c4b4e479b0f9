from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from fake_segmenters import Fake
from PIL import Image

from visnet_aug.datasets.record import ImageRecord
from visnet_aug.errors import DatasetError, OutputError, WeightsError
from visnet_aug.masks import compute
from visnet_aug.masks.compute import MaskSummary, compute_masks
from visnet_aug.masks.person import PersonMask, Reason
from visnet_aug.masks.settings import MaskSettings
from visnet_aug.masks.store import MaskEntry, MaskStore, read_mask
from visnet_aug.masks.worker import MaskBatch, MaskWorker

SETTINGS = MaskSettings()
REASONS: tuple[Reason, ...] = ("border", "no_person", "too_small")


class FakeSegmenter(Fake):
    """Takes the bright half of an image for the person; rejects images whose corner is odd."""

    def __init__(self, key: str = "weights", stop_after: int | None = None) -> None:
        self.key = key
        self.batches: list[int] = []
        self._stop_after = stop_after

    def segment(self, images: Sequence[np.ndarray]) -> list[PersonMask]:
        if self._stop_after is not None and sum(self.batches) >= self._stop_after:
            raise KeyboardInterrupt
        self.batches.append(len(images))
        return super().segment(images)

    def find(self, image: np.ndarray) -> PersonMask:
        mask = image[..., 0] > 127
        corner = int(image[0, 0, 1])
        reason = REASONS[corner % 3] if corner >= 200 else None
        return PersonMask(mask, float(mask.mean()), 0.5, reason)


def write_image(folder: Path, number: int, shape: tuple[int, int] = (16, 8)) -> ImageRecord:
    """Write a PNG whose pixels follow from its number; every fourth one will be rejected."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    pixels[0, 0, 1] = 200 + number % 12 if number % 4 == 0 else 10
    path = folder / f"{number:04d}_c1s1_000001_00.png"
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    path.write_bytes(data.getvalue())
    return ImageRecord(
        path=path,
        name=path.name,
        stem=path.stem,
        split="train",
        pid=number,
        camid=1,
        sequence=1,
        frame=1,
        box=0,
        width=shape[1],
        height=shape[0],
        sha256=hashlib.sha256(data.getvalue()).hexdigest(),
    )


@pytest.fixture
def records(tmp_path: Path) -> list[ImageRecord]:
    folder = tmp_path / "images"
    folder.mkdir()
    return [write_image(folder, number) for number in range(30)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "BATCH", 4)
    monkeypatch.setattr(compute, "FLUSH", 8)


def run(
    records: Sequence[ImageRecord],
    out: Path,
    segmenter: FakeSegmenter | None = None,
    settings: MaskSettings = SETTINGS,
    progress: Callable[[int, int], None] | None = None,
) -> MaskSummary:
    segmenter = segmenter or FakeSegmenter()
    return compute_masks(
        records,
        MaskStore(out),
        segmenter_key=segmenter.key,
        settings=settings,
        run=Here(segmenter, out),
        progress=progress,
    )


class Here:
    """Computes batches in this process, one after the other."""

    def __init__(self, segmenter: FakeSegmenter, out: Path) -> None:
        self._worker = MaskWorker(cast(Any, segmenter), out)

    def __call__(
        self,
        batches: Sequence[MaskBatch],
        ready: Callable[[], None],
        finished: Callable[[Sequence[MaskEntry]], None],
    ) -> None:
        ready()
        for batch in batches:
            finished(self._worker.mask(batch))


def files(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_every_image_gets_a_verdict(records: list[ImageRecord], out: Path) -> None:
    summary = run(records, out)
    assert list(summary.entries) == [record.stem for record in records]
    assert (summary.computed, summary.reused, summary.edited) == (30, 0, 0)
    assert summary.rejected == {"border": 3, "too_small": 3, "no_person": 2}
    assert summary.accepted == tuple(r.stem for r in records if r.pid % 4)
    for record in records:
        path = out / "masks" / f"{record.stem}.png"
        assert path.exists() == (record.pid % 4 != 0)
        if path.exists():
            pixels = np.array(Image.open(record.path))
            np.testing.assert_array_equal(read_mask(path, pixels.shape[:2]), pixels[..., 0] > 127)
            assert summary.entries[record.stem].area == round(
                read_mask(path, pixels.shape[:2]).mean(), 6
            )


def test_a_second_run_computes_nothing(records: list[ImageRecord], out: Path) -> None:
    first = run(records, out)
    before = files(out)
    table = (out / "masks.csv").stat().st_mtime_ns
    again = compute_masks(
        records,
        MaskStore(out),
        segmenter_key="weights",
        settings=SETTINGS,
        run=lambda *_, **__: pytest.fail("there is nothing to do"),
    )
    assert (again.computed, again.reused) == (0, 30)
    assert again.entries == first.entries
    assert files(out) == before
    assert (out / "masks.csv").stat().st_mtime_ns == table


def test_only_what_changed_is_computed(records: list[ImageRecord], out: Path) -> None:
    run(records, out)
    records[3] = write_image(records[3].path.parent, 3, shape=(20, 8))
    segmenter = FakeSegmenter()
    summary = run(records, out, segmenter)
    assert (segmenter.batches, summary.computed, summary.reused) == ([4], 1, 29)
    assert read_mask(out / "masks" / f"{records[3].stem}.png", (20, 8)).shape == (20, 8)
    assert run(records, out, settings=MaskSettings(min_area=0.2)).computed == 30
    assert run(records, out, FakeSegmenter("other weights")).computed == 30


def test_images_left_out_keep_their_masks(records: list[ImageRecord], out: Path) -> None:
    run(records, out)
    summary = run(records[:10], out)
    assert len(summary.entries) == summary.reused == 10
    assert run(records, out).reused == 30


def test_edits_and_damage_are_reported(records: list[ImageRecord], out: Path) -> None:
    run(records, out)
    path = out / "masks" / f"{records[1].stem}.png"
    Image.new("1", (8, 16), 1).save(path)
    (out / "masks" / f"{records[2].stem}.png").unlink()
    summary = run(records, out)
    assert (summary.computed, summary.reused, summary.edited) == (1, 29, 1)
    assert summary.damaged == {"missing PNG": 1}
    assert summary.entries[records[1].stem].area == 1
    third = run(records, out)
    assert (third.computed, third.edited, dict(third.damaged)) == (0, 1, {})


@pytest.mark.parametrize("done", [4, 8, 12, 20])
def test_a_stopped_run_is_taken_up_and_ends_the_same(
    records: list[ImageRecord], out: Path, tmp_path: Path, done: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(records, out, FakeSegmenter(stop_after=done))
    segmenter = FakeSegmenter()
    summary = run(records, out, segmenter)
    assert (summary.reused, summary.computed) == (done, 30 - done)
    run(records, tmp_path / "straight")
    assert files(out) == files(tmp_path / "straight")


class Gregarious(FakeSegmenter):
    """What it says of an image depends on the batch: on its size, its order and every pixel."""

    def segment(self, images: Sequence[np.ndarray]) -> list[PersonMask]:
        shared = hashlib.sha256(b"".join(image.tobytes() for image in images)).digest()[0] / 256
        masks = super().segment(images)
        return [
            PersonMask(m.mask, m.area, (shared + n / len(images)) / 2, m.reason)
            for n, m in enumerate(masks)
        ]


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_stored_an_image_shares_its_batch_with_the_same_others(
    records: list[ImageRecord], out: Path, tmp_path: Path, seed: int
) -> None:
    """As a stop between two batches or two files, and lost PNGs and lines, may leave it."""
    rng = np.random.default_rng(seed)
    straight = tmp_path / "straight"
    run(records, straight, Gregarious())
    with pytest.raises(KeyboardInterrupt):
        run(records, out, Gregarious(stop_after=int(rng.integers(4, 28))))
    for path in (out / "masks").iterdir():
        if rng.random() < 0.3:
            path.unlink()
    lines = (out / "masks.csv").read_text().splitlines(keepends=True)
    kept = [line for line in lines[1:] if rng.random() < 0.7]
    (out / "masks.csv").write_text("".join([lines[0], *kept]))
    run(records, out, Gregarious())
    assert files(out) == files(straight)


def test_an_edited_mask_still_takes_its_place_in_the_batch(
    records: list[ImageRecord], out: Path, tmp_path: Path
) -> None:
    run(records, out, Gregarious())
    edited = records[5].stem
    Image.new("1", (8, 16), 1).save(out / "masks" / f"{edited}.png")
    run(records, out)
    run(records, out, Gregarious("other weights"))
    run(records, tmp_path / "straight", Gregarious("other weights"))
    found, expected = files(out), files(tmp_path / "straight")
    differing = {name for name in expected if found[name] != expected[name]}
    assert differing == {f"masks/{edited}.png", "masks.csv"}
    lines = set(expected["masks.csv"].splitlines()) - set(found["masks.csv"].splitlines())
    assert [line.decode().split(",")[0] for line in lines] == [edited]


def test_batches_that_are_stored_whole_are_not_computed(
    records: list[ImageRecord], out: Path
) -> None:
    run(records, out)
    for n in (1, 2, 21):
        (out / "masks" / f"{records[n].stem}.png").unlink()
    segmenter = FakeSegmenter()
    assert run(records, out, segmenter).computed == 3
    assert segmenter.batches == [4, 4]


def test_what_a_kill_left_half_written_is_removed_and_nothing_else(
    records: list[ImageRecord], out: Path
) -> None:
    run(records, out)
    before = files(out)
    rejected = next(r.stem for r in records if not (out / "masks" / f"{r.stem}.png").exists())
    for name in (f"masks/{rejected}.png.part", "masks.csv.part"):
        (out / name).write_bytes(b"half")
    (out / "masks" / "mine.part").write_bytes(b"mine")
    run(records, out)
    assert files(out) == before | {"masks/mine.part": b"mine"}


def test_a_kill_between_flushes_costs_little_and_poisons_nothing(
    records: list[ImageRecord], out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other weights before, so that old lines could have met new PNGs."""
    run(records, out, FakeSegmenter("old weights"))
    flushes = 0
    flush = MaskStore.flush

    def killed(store: MaskStore) -> None:
        nonlocal flushes
        flushes += 1
        if flushes <= 2:  # forgetting, then the first eight images
            flush(store)

    with monkeypatch.context() as patch:
        patch.setattr(MaskStore, "flush", killed)
        with pytest.raises(KeyboardInterrupt):
            run(records, out, FakeSegmenter(stop_after=12))
    summary = run(records, out)
    assert (summary.reused, summary.computed, summary.edited) == (8, 22, 0)
    run(records, tmp_path / "straight")
    assert files(out) == files(tmp_path / "straight")


def test_batches_are_bounded_in_images_and_pixels(
    records: list[ImageRecord], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute, "BATCH_PIXELS", 3 * 16 * 8)
    large = write_image(records[0].path.parent, 99, shape=(64, 32))
    segmenter = FakeSegmenter()
    run([*records[:7], large, *records[7:9]], out, segmenter)
    assert segmenter.batches == [3, 3, 1, 1, 2]


def test_progress_counts_up_to_all(records: list[ImageRecord], out: Path) -> None:
    run(records[:6], out)
    calls: list[tuple[int, int]] = []
    run(records, out, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(done, 30) for done in (6, 8, 12, 16, 20, 24, 28, 30)]


def test_no_images_need_no_network(out: Path) -> None:
    summary = run([], out)
    assert (summary.accepted, summary.computed, dict(summary.rejected)) == ((), 0, {})


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: path.unlink(), "cannot be read any more"),
        (lambda path: path.write_bytes(b"new"), "changed since the dataset was read"),
    ],
)
def test_an_image_that_changes_meanwhile_stops_with_its_name(
    records: list[ImageRecord], out: Path, harm: Callable[[Path], object], message: str
) -> None:
    harm(records[9].path)
    with pytest.raises(DatasetError, match=rf"0009_c1s1_000001_00\.png: {message}"):
        run(records, out)
    assert len(MaskStore(out).entries) == 8


def test_an_unwritable_folder_stops_with_its_name(records: list[ImageRecord], out: Path) -> None:
    out.mkdir()
    (out / "masks").write_text("")
    with pytest.raises(OutputError, match="cannot"):
        run(records, out)


def test_weights_that_fail_to_load_cost_no_stored_mask(
    records: list[ImageRecord], out: Path
) -> None:
    run(records, out)

    def fail(*_: object, **__: object) -> None:
        raise WeightsError("broken.pt: not weights")

    with pytest.raises(WeightsError):
        compute_masks(records, MaskStore(out), segmenter_key="new", settings=SETTINGS, run=fail)
    assert run(records, out).reused == 30
