"""Writes a drawn dataset in Market-1501's layout, with the true masks beside."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import cv2
import numpy as np

from visnet_aug.datasets.drawn.camera import encode_jpeg
from visnet_aug.datasets.drawn.plan import (
    MARKET1501,
    Counts,
    PlannedCrop,
    demo_counts,
    plan_crops,
)
from visnet_aug.datasets.drawn.sample import draw_sample
from visnet_aug.datasets.layout import FOLDERS
from visnet_aug.errors import OutputError, RecipeError
from visnet_aug.files import cannot, part_of
from visnet_aug.processes import default_workers, spread

if TYPE_CHECKING:
    from visnet_aug.progress import Advance

MASKS: Final = "ground_truth_masks"
"""Folder of the true masks, beside the splits' folders."""

_QUALITY: Final = 75
_FEWEST_IDENTITIES: Final = 4
_CHUNK: Final = 64
_WORTH_A_PROCESS: Final = 1000
"""Crops for which starting another process pays."""

_THUMBS: Final = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504)
"""What Windows leaves in a folder of pictures, as it did in Market-1501."""


@dataclass(frozen=True, slots=True)
class DrawnSummary:
    """What :func:`draw_dataset` wrote.

    Attributes:
        out: The dataset's folder.
        counts: Images and identities.

    Example:
        >>> from visnet_aug import DrawnSummary, draw_dataset
        >>> summary: DrawnSummary = draw_dataset("crowd", identities=4)
        >>> summary.counts.train
        24
    """

    out: Path
    counts: Counts

    @property
    def images(self) -> int:
        """All images of the three splits."""
        counts = self.counts
        gallery = counts.gallery + counts.distractors + counts.junk
        return counts.train + counts.query + gallery


def draw_dataset(
    out: str | Path,
    *,
    identities: int = 24,
    like: Literal["market1501"] | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress: Advance | None = None,
) -> DrawnSummary:
    """Draw a whole dataset; the same bytes for the same seed, whatever the workers.

    Args:
        out: Folder to make; it may exist if it is empty.
        identities: People, half of them for training, half for testing.
        like: ``market1501`` for the real set's exact counts instead.
        seed: Which people, cameras and moments; 0 or more.
        workers: Processes; default: as many as there are cores and as pay.
        progress: Told of every few images.

    Raises:
        OutputError: ``out`` isn't an empty folder, or can't be written.
        RecipeError: Too few identities, or a negative seed.
        WorkerError: A drawing process died.

    Example:
        >>> from visnet_aug import draw_dataset
        >>> summary = draw_dataset("people", identities=4)
        >>> summary.images
        58
    """
    out = Path(out)
    if identities < _FEWEST_IDENTITIES or seed < 0:
        raise RecipeError(
            f"cannot draw {identities} identities with seed {seed}: "
            f"ask for {_FEWEST_IDENTITIES} identities or more and a seed of 0 or more"
        )
    counts = MARKET1501 if like == "market1501" else demo_counts(identities)
    crops = plan_crops(counts, seed)
    with _new_folder(out) as folder:
        _make_folders(folder)
        _draw_all(crops, folder, seed, workers or _worth(len(crops)), progress)
    return DrawnSummary(out, counts)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Give a folder that becomes ``out`` when all went well, and goes away when not."""
    out = out.absolute()
    if out.exists() and not (out.is_dir() and next(out.iterdir(), None) is None):
        raise OutputError(f"{out} is not an empty folder: name another with --out")
    part = part_of(out)
    try:
        part.mkdir(parents=True)
    except FileExistsError as error:
        raise OutputError(f"{part} is left from an interrupted run: delete it first") from error
    except OSError as error:
        raise cannot("made", part, error) from error
    try:
        yield part
        part.replace(out)
    except OSError as error:
        raise cannot("written", Path(error.filename or out), error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _make_folders(out: Path) -> None:
    for name in FOLDERS.values():
        (out / name).mkdir()
    (out / MASKS / FOLDERS["train"]).mkdir(parents=True)
    for split in ("query", "gallery"):
        (out / FOLDERS[split] / "Thumbs.db").write_bytes(_THUMBS)


def _worth(crops: int) -> int:
    return min(default_workers(), math.ceil(crops / _WORTH_A_PROCESS))


def _draw_all(
    crops: Sequence[PlannedCrop], out: Path, seed: int, workers: int, progress: Advance | None
) -> None:
    chunks = [crops[start : start + _CHUNK] for start in range(0, len(crops), _CHUNK)]
    draw = partial(_draw_chunk, out=out, seed=seed)
    # Closed before anybody removes the folder that workers write to.
    with closing(spread(draw, chunks, workers, preload=draw_sample.__module__)) as drawn:
        _report(drawn, len(crops), progress)


def _report(drawn: Iterable[int], total: int, progress: Advance | None) -> None:
    done = 0
    for number in drawn:
        done += number
        if progress is not None:
            progress(done, total)


def _draw_chunk(crops: Sequence[PlannedCrop], out: Path, seed: int) -> int:
    for crop in crops:
        _draw_one(crop, out, seed)
    return len(crops)


def _draw_one(crop: PlannedCrop, out: Path, seed: int) -> None:
    moment, track = (np.random.default_rng(seeds) for seeds in (crop.moment, crop.track))
    sample = draw_sample(crop.pid, crop.camid, moment, seed=seed, track=track)
    folder = FOLDERS[crop.split]
    (out / folder / crop.name).write_bytes(encode_jpeg(sample.image, _QUALITY).tobytes())
    if crop.split == "train":
        stem = crop.name.partition(".")[0]
        bilevel = sample.mask.astype(np.uint8) * 255
        png = cv2.imencode(".png", bilevel, (cv2.IMWRITE_PNG_BILEVEL, 1))[1]
        (out / MASKS / folder / f"{stem}.png").write_bytes(png.tobytes())
