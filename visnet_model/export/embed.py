"""Embed images with a trained network: files and folders, or the images of a manifest."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from visnet_aug.errors import DatasetError
from visnet_aug.files import replace_file
from visnet_aug.hardware import choose_device
from visnet_aug.progress import Stage, silent
from visnet_model.checkpoint import load_network
from visnet_model.data.keeping import open_images
from visnet_model.data.settings import DataSettings
from visnet_model.data.table import ImageTable, read_tables
from visnet_model.evaluation.embedding import BATCH_SIZE, check_unit_norm, embed_images
from visnet_model.export.checked import check_target
from visnet_model.export.images import (
    OnError,
    UnusableFile,
    check_images,
    find_images,
    join_tables,
)
from visnet_model.export.weights_file import SUFFIX, load_exported
from visnet_model.precision import Precision
from visnet_model.provenance import checksum


@dataclass(frozen=True, slots=True, eq=False)
class ImageEmbeddings:
    """Embeddings of N images with their names.

    Attributes:
        embeddings: float32 N×D, each of unit L2 norm, to compare by Euclidean distance.
        names: N names: paths as given, or relative to the manifest's folder.
        network_sha256: Checksum of the network's file; only embeddings of the same network can be
            compared.
        pids: N identities, or ``None`` if the images are not from a manifest.
        camids: N cameras, or ``None``.
        splits: N splits, or ``None``.
        left_out: The files that are unusable and therefore have no embedding.

    Examples:
        >>> import numpy as np
        >>> from visnet_model import embed
        >>> gallery = embed("runs/market/last.pt", manifest="aug/manifest.csv", splits=["gallery"])
        >>> gallery.embeddings.shape, gallery.pids[:3].tolist()
        ((6, 512), [11, 11, 12])
        >>> gallery.save("gallery.npz")
        >>> sorted(np.load("gallery.npz"))
        ['camids', 'embeddings', 'names', 'network_sha256', 'pids', 'splits']
    """

    embeddings: npt.NDArray[np.float32]
    names: npt.NDArray[np.str_]
    network_sha256: str
    pids: npt.NDArray[np.int64] | None
    camids: npt.NDArray[np.int64] | None
    splits: npt.NDArray[np.str_] | None
    left_out: tuple[UnusableFile, ...]

    def save(self, path: str | Path) -> None:
        """Write an ``.npz`` of plain arrays, without pickles; equal embeddings give equal bytes.

        Args:
            path: The file; replaced if it exists. Its folder must exist.

        Raises:
            OutputError: The file cannot be written; an existing one is unchanged.
        """
        arrays: dict[str, Any] = {
            "embeddings": self.embeddings,
            "names": self.names,
            "network_sha256": np.array(self.network_sha256),
        }
        for name in ("pids", "camids", "splits"):
            column = getattr(self, name)
            if column is not None:
                arrays[name] = column
        replace_file(Path(path), lambda file: np.savez(file, **arrays))


def embed(
    checkpoint: str | Path,
    images: str | Path | Iterable[str | Path] = (),
    *,
    manifest: str | Path | None = None,
    splits: Iterable[str] = (),
    to: str | Path | None = None,
    on_error: OnError = "skip",
    device: str = "auto",
    precision: Precision = "fp32",
    batch_size: int = BATCH_SIZE,
    stage: Stage = silent,
    note: Callable[[str], object] = warnings.warn,
) -> ImageEmbeddings:
    """Embed images with a trained network, as ``visnet-embed`` does.

    Images are resized to the network's input, whatever their proportions: they should be crops of
    one person. Usable are complete JPEG and PNG files, upright, RGB with 8 bits. Other files are
    left out, never converted. Names are sorted; an image that is given twice is embedded once.

    Args:
        checkpoint: Checkpoint of ``visnet-train``, or ``.safetensors`` of ``visnet-export``.
        images: Image files, and folders that are searched for images.
        manifest: ``manifest.csv`` of a built set, instead of ``images``.
        splits: Splits of the manifest; all by default.
        to: File to write, ``.npz``; replaced if it exists. ``None`` writes nothing.
        on_error: Whether to ``skip`` unusable images, or to ``stop`` at the first one.
        device: Where the network runs: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ...
        precision: What the network computes in.
        batch_size: Number of images embedded at once.
        stage: Shows the progress; `visnet_aug.progress.stage` draws bars.
        note: Called with one line for each image that is left out, and other remarks.

    Raises:
        CheckpointError: The network's file is missing, unreadable, or not one of ours.
        DatasetError: A file or folder does not exist, no image is usable, or, with ``on_error``
            ``stop``, one is not.
        ManifestError: The manifest cannot be read or breaks its schema.
        TrainingError: The network's training diverged.
        OutputError: The file cannot be written.
        RecipeError: This machine has no such device.
        DeviceMemoryError: The device does not have enough memory for a batch.
        ValueError: Neither images nor a manifest are given, or both, or splits without a manifest.

    Examples:
        >>> from visnet_model import embed
        >>> crops = embed("runs/market/last.pt", "aug/query", device="cpu")
        >>> crops.embeddings.shape
        (6, 512)
        >>> crops.names[0].item()
        'aug/query/0011_c1s1_000000_00.png'
    """
    given = [Path(path) for path in ([images] if isinstance(images, str | Path) else images)]
    splits = tuple(splits)
    if bool(given) == (manifest is not None):
        raise ValueError("give either images or a manifest")
    if splits and manifest is None:
        raise ValueError("splits need a manifest")

    if to is not None:
        check_target(Path(to))
    checkpoint, where = Path(checkpoint), choose_device(device)
    network, data = _load(checkpoint, where)
    left_out = _LeftOut(on_error, note)
    if manifest is None:
        table, split_names = _find(given, left_out, note), None
    else:
        table, split_names = _read_manifest(Path(manifest), splits)
    usable = _check(table, left_out, stage)
    chosen = table.take(usable)
    sources = open_images(chosen, data, "auto", where, stage, "read")
    with stage("embed") as advance:
        embeddings = embed_images(
            network,
            sources,
            device=where,
            batch_size=batch_size,
            precision=precision,
            progress=advance,
        )
    check_unit_norm(embeddings, chosen.paths)
    result = ImageEmbeddings(
        embeddings=embeddings,
        names=chosen.paths,
        network_sha256=checksum(checkpoint),
        pids=None if manifest is None else chosen.pids,
        camids=None if manifest is None else chosen.camids,
        splits=None if split_names is None else split_names[usable],
        left_out=tuple(left_out.files),
    )
    if to is not None:
        result.save(to)
    return result


class _LeftOut:
    """Collects unusable files, or stops at the first one."""

    def __init__(self, on_error: OnError, note: Callable[[str], object]) -> None:
        self.files: list[UnusableFile] = []
        self._on_error = on_error
        self._note = note

    def add(self, files: Iterable[UnusableFile]) -> None:
        for file in files:
            if self._on_error == "stop":
                raise DatasetError(str(file))
            self._note(f"left out {file}")
            self.files.append(file)


def _load(checkpoint: Path, device: torch.device) -> tuple[nn.Module, DataSettings]:
    """Load a network that takes normalised images, and its input size."""
    if checkpoint.suffix != SUFFIX:
        loaded = load_network(checkpoint, device)
        return loaded.network, loaded.config.data
    exported = load_exported(checkpoint, device)
    exported.network.normalisation = nn.Identity()  # `embed_images` normalises
    size = exported.description
    return exported.network, DataSettings(height=size.height, width=size.width)


def _read_manifest(
    manifest: Path, splits: tuple[str, ...]
) -> tuple[ImageTable, npt.NDArray[np.str_]]:
    """Return the images of a manifest, and the split of each."""
    tables = read_tables(manifest)
    missing = [split for split in splits if split not in tables]
    if missing:
        raise DatasetError(
            f"{manifest}: no images of split {missing[0]}; it has {', '.join(tables)}"
        )
    if not tables:
        raise DatasetError(f"{manifest}: no images in it")
    chosen = {split: table for split, table in tables.items() if not splits or split in splits}
    names = np.repeat(np.array(list(chosen)), [len(table) for table in chosen.values()])
    return join_tables(chosen.values()), names


def _find(given: list[Path], left_out: _LeftOut, note: Callable[[str], object]) -> ImageTable:
    """Return the images in files and folders."""
    found = find_images(given)
    left_out.add(found.unusable)
    if found.ignored:
        note(f"ignored {found.ignored:,} files that are not images by their name")
    if found.repeated:
        note(f"{found.repeated:,} images are given more than once, and embedded once")
    return found.table


def _check(table: ImageTable, left_out: _LeftOut, stage: Stage) -> npt.NDArray[np.bool_]:
    """Return which images are usable; there is at least one."""
    with stage("check") as advance:
        usable, unusable = check_images(table, advance)
    left_out.add(unusable)
    if not usable.any():
        first = f"; the first: {left_out.files[0]}" if left_out.files else ""
        raise DatasetError(f"none of {len(table):,} images is usable{first}")
    return usable
