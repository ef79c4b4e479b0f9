"""Evaluate a checkpoint on a manifest: accuracy, breakdowns, ``results.json`` and pictures."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from visnet_aug.errors import DatasetError
from visnet_aug.files import make_folder, remove_file
from visnet_aug.hardware import choose_device
from visnet_aug.progress import Stage, silent
from visnet_model.checkpoint import LoadedNetwork, load_network
from visnet_model.data.images import ImageSource
from visnet_model.data.keeping import open_images
from visnet_model.data.settings import DataSettings
from visnet_model.data.table import ImageTable, read_tables
from visnet_model.evaluation.accuracy import (
    Embedder,
    Evaluation,
    EvaluationOptions,
    check_splits,
    evaluate_network,
)
from visnet_model.evaluation.camera_pairs import CameraPair, evaluate_camera_pairs
from visnet_model.evaluation.complexity import Cost, measure_cost
from visnet_model.evaluation.distances import EuclideanDistances
from visnet_model.evaluation.embedding import BATCH_SIZE
from visnet_model.evaluation.plots import draw_cmc, draw_probe
from visnet_model.evaluation.probe import BackgroundSensitivity, check_probe, evaluate_probe
from visnet_model.evaluation.ranking import Ranking
from visnet_model.evaluation.results import EvaluationInputs, collect_results, write_results
from visnet_model.evaluation.strips import choose_strips, draw_strips
from visnet_model.evaluation.tables import camera_table, paper_table, probe_table
from visnet_model.precision import Precision
from visnet_model.provenance import checksum

RESULTS, CMC, PROBE, STRIPS = "results.json", "cmc.png", "probe.png", "strips.png"
"""Files that an evaluation may write."""

QUERIES_SHOWN = 16
"""Queries in `STRIPS` by default."""


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationReport:
    """The result of `evaluate`; ``print(report)`` prints its tables.

    Attributes:
        evaluation: The accuracy on query and gallery, and their embeddings.
        sensitivity: The background sensitivity, or ``None`` without a probe.
        camera_pairs: The accuracy for each pair of cameras, or ``None`` if not asked for.
        cost: Parameters and FLOPs of the network.
        results: The content of ``results.json``.
        written: Names of the files in the output folder; empty without one.

    Examples:
        >>> from visnet_model import evaluate
        >>> report = evaluate("runs/market/last.pt", device="cpu")
        >>> str(report).splitlines()[0].split()[:2]
        ['Market-1501', 'year']
    """

    evaluation: Evaluation
    sensitivity: BackgroundSensitivity | None
    camera_pairs: tuple[CameraPair, ...] | None
    cost: Cost
    results: Mapping[str, Any]
    written: tuple[str, ...]

    @property
    def ranking(self) -> Ranking:
        """The accuracy by the paper's protocol: mAP, CMC and mINP."""
        return self.evaluation.ranking

    def __str__(self) -> str:
        """Return the paper's Table I with this network's row, and the other tables asked for."""
        tables = [paper_table(self.evaluation, self.cost)]
        if self.camera_pairs is not None:
            tables.append(camera_table(self.camera_pairs))
        if self.sensitivity is not None:
            tables.append(probe_table(self.sensitivity))
        return "\n\n".join(tables)


def evaluate(
    checkpoint: str | Path,
    manifest: str | Path | None = None,
    *,
    probe: str | Path | None = None,
    out: str | Path | None = None,
    flip: bool = False,
    rerank: bool = False,
    camera_pairs: bool = False,
    strips: int = QUERIES_SHOWN,
    device: str = "auto",
    precision: Precision = "fp32",
    batch_size: int = BATCH_SIZE,
    stage: Stage = silent,
    note: Callable[[str], object] = warnings.warn,
) -> EvaluationReport:
    """Evaluate a trained network on query and gallery, as ``visnet-eval`` does.

    The protocol is Market-1501's, single query (paper III-A): mAP and CMC.

    Args:
        checkpoint: Checkpoint of ``visnet-train``. Report the last one, ``last.pt``: ``best.pt``
            was chosen by its accuracy on this very test set.
        manifest: ``manifest.csv`` of a built set; the one of the training by default.
        probe: ``manifest.csv`` of ``visnet-aug probe``, instead of ``manifest``: measures the
            background sensitivity, too.
        out: Folder for ``results.json`` and pictures; files of an earlier evaluation are replaced
            or removed. ``None`` writes nothing.
        flip: Whether to average embeddings with those of the mirrored images.
        rerank: Whether to re-rank by k-reciprocal neighbours, too.
        camera_pairs: Whether to break the accuracy down by pairs of cameras.
        strips: Number of queries in ``strips.png``; 0 for none.
        device: Where the network runs: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ...
        precision: What the network computes in.
        batch_size: Number of images embedded at once.
        stage: Shows the progress; `visnet_aug.progress.stage` draws bars.
        note: Called with remarks, such as that the manifest has changed since the training.

    Raises:
        CheckpointError: The checkpoint is missing, unreadable, or not one of ours.
        ManifestError: The manifest cannot be read or breaks its schema.
        DatasetError: The manifest has no query or gallery, is not a probe, or its images cannot be
            read.
        TrainingError: The network's training diverged.
        OutputError: The output folder cannot be written.
        RecipeError: This machine has no such device.
        DeviceMemoryError: The device does not have enough memory for a batch.
        ValueError: Both ``manifest`` and ``probe`` are given.

    Examples:
        >>> from visnet_model import evaluate
        >>> report = evaluate("runs/market/last.pt", "aug/manifest.csv", out="results", strips=2)
        >>> 0 <= report.ranking.mAP <= 1
        True
        >>> report.written
        ('results.json', 'cmc.png', 'strips.png')
    """
    if manifest is not None and probe is not None:
        raise ValueError("give a manifest or a probe, not both")
    checkpoint = Path(checkpoint)
    where = choose_device(device)
    loaded = load_network(checkpoint, where)
    if probe is not None or manifest is not None:
        images = Path(probe if probe is not None else str(manifest))
    else:
        images = _recorded_manifest(loaded, checkpoint, note)
    options = EvaluationOptions(batch_size, flip, precision, rerank)
    inputs = EvaluationInputs(checkpoint, loaded, images, where, options)
    folder = None if out is None else Path(out)
    if folder is not None:
        make_folder(folder)
    evaluation, sensitivity = _measure(inputs, stage, probed=probe is not None)
    pairs = _pair_cameras(evaluation) if camera_pairs else None
    size = loaded.config.data.height, loaded.config.data.width
    cost = measure_cost(loaded.network, size, flip=flip)
    results = collect_results(inputs, evaluation, cost, pairs, sensitivity)
    written: tuple[str, ...] = ()
    if folder is not None:
        write_results(results, folder / RESULTS)
        written = (RESULTS, *_draw(evaluation, sensitivity, strips, folder, note))
        for name in sorted({RESULTS, CMC, PROBE, STRIPS}.difference(written)):
            remove_file(folder / name)  # from an earlier evaluation
    return EvaluationReport(evaluation, sensitivity, pairs, cost, results, written)


def _recorded_manifest(
    loaded: LoadedNetwork, checkpoint: Path, note: Callable[[str], object]
) -> Path:
    """Return the manifest that a network was trained on."""
    if not loaded.manifest.is_file():
        raise DatasetError(
            f"{loaded.manifest}: the manifest that {checkpoint} was trained on does not exist any "
            "more; use --manifest to name the one to evaluate on"
        )
    if checksum(loaded.manifest) != loaded.manifest_sha256:
        note(f"{loaded.manifest}: has changed since {checkpoint} was trained on it")
    return loaded.manifest


def _measure(
    inputs: EvaluationInputs, stage: Stage, *, probed: bool
) -> tuple[Evaluation, BackgroundSensitivity | None]:
    """Embed and rank."""
    tables = read_tables(inputs.manifest)
    check_splits(tables)
    if probed:
        check_probe(tables)
    images = _ImagesBySplit(tables, inputs.loaded.config.data, inputs.device, stage)
    network = inputs.loaded.network.to(memory_format=torch.channels_last)
    options, device = inputs.options, inputs.device
    evaluation = evaluate_network(network, tables, images, options, device=device, stage=stage)
    if not probed:
        return evaluation, None
    embedder = Embedder(network, options, device, stage)
    return evaluation, evaluate_probe(embedder, evaluation, tables, images)


def _pair_cameras(evaluation: Evaluation) -> tuple[CameraPair, ...]:
    query, gallery = evaluation.query, evaluation.gallery
    return evaluate_camera_pairs(
        EuclideanDistances(query.embeddings, gallery.embeddings),
        query.table.pids,
        gallery.table.pids,
        query.table.camids,
        gallery.table.camids,
    )


def _draw(
    evaluation: Evaluation,
    probe: BackgroundSensitivity | None,
    strips: int,
    folder: Path,
    note: Callable[[str], object],
) -> Iterator[str]:
    """Draw the pictures, and yield the names of those that were written."""
    try:
        draw_cmc(evaluation, folder / CMC)
        yield CMC
        if probe is not None:
            draw_probe(probe, folder / PROBE)
            yield PROBE
    except ImportError:
        note("matplotlib is not installed: no charts (pip install matplotlib)")
    if strips:
        draw_strips(evaluation, choose_strips(evaluation, strips), folder / STRIPS)
        yield STRIPS


class _ImagesBySplit(Mapping[str, ImageSource]):
    """The images of a manifest by split; a split is opened whenever it is asked for.

    Only one is needed at a time, and a probe is many times as large as the test set.
    """

    def __init__(
        self,
        tables: Mapping[str, ImageTable],
        data: DataSettings,
        device: torch.device,
        stage: Stage,
    ) -> None:
        self._tables = tables
        self._data = data
        self._device = device
        self._stage = stage

    def __getitem__(self, split: str) -> ImageSource:
        table = self._tables[split]
        return open_images(table, self._data, "auto", self._device, self._stage, f"read {split}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)
