"""Runs a training: from a manifest to a trained and evaluated network in the run's folder.

The folder has ``config.yaml`` and ``environment.json`` from the start; ``metrics.jsonl`` and
``tensorboard/`` grow with the run; ``last.pt`` is written after every epoch, ``best.pt`` (highest
mAP) after an evaluation, and ``curves.png`` at the end. Only rank 0 writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from visnet_aug.errors import DatasetError, OutputError
from visnet_aug.files import make_folder, write_file
from visnet_aug.hardware import choose_device
from visnet_aug.manifest import PROBE_SPLITS
from visnet_aug.progress import Advance, silent
from visnet_model.checkpoint import config_of, read_checkpoint, write_checkpoint
from visnet_model.config import TrainConfig, dump_config
from visnet_model.data.images import ImageSource
from visnet_model.data.keeping import Keeping, open_images
from visnet_model.data.loader import TrainingLoader
from visnet_model.data.sampler import PKSampler
from visnet_model.data.table import ImageTable, identity_labels, read_tables
from visnet_model.errors import CheckpointError, DeviceMemoryError, TrainingError
from visnet_model.evaluation.accuracy import EvaluationOptions, check_splits, evaluate_network
from visnet_model.evaluation.ranking import RANKS
from visnet_model.provenance import checksum, device_name, versions
from visnet_model.training.curves import CURVES, draw_curves
from visnet_model.training.distributed import Ranks, join
from visnet_model.training.interrupt import Interrupt, listen
from visnet_model.training.log import (
    INTERVAL,
    METRICS,
    TENSORBOARD,
    Log,
    MetricsFile,
    Record,
    StepLog,
    TensorBoardFile,
    read_metrics,
)
from visnet_model.training.objective import NonFiniteLossError
from visnet_model.training.trainer import Step, Trainer

LAST = "last.pt"
BEST = "best.pt"
CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"

DEFAULT_CONFIG = TrainConfig()


class Interrupted(Exception):  # noqa: N818  not an error
    """The run was asked to stop; its checkpoint is written."""


@dataclass(frozen=True, slots=True)
class Run:
    """What to train, on which images, and where.

    Attributes:
        config: What to train.
        manifest: The manifest of the built set.
        out: The run's folder.
        keeping: Where images are kept during the training.
        state: The checkpoint to resume from, or ``None``.
        manifest_sha256: Checksum of the manifest; ``None`` until it is read.
    """

    config: TrainConfig
    manifest: Path
    out: Path
    keeping: Keeping = "auto"
    state: Mapping[str, Any] | None = None
    manifest_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A finished training.

    Attributes:
        out: The run's folder.
        step: Number of steps.
        results: Evaluations, oldest first, each with ``epoch``, ``step``, ``mAP``, ``rank1``, ...;
            empty on ranks other than 0.

    Examples:
        >>> from pathlib import Path
        >>> from visnet_model import TrainedRun
        >>> run = TrainedRun(Path("runs/market"), step=100, results=({"epoch": 1, "mAP": 0.8},))
        >>> run.checkpoint.as_posix(), run.results[-1]["mAP"]
        ('runs/market/last.pt', 0.8)
    """

    out: Path
    step: int
    results: tuple[Mapping[str, Any], ...]

    @property
    def checkpoint(self) -> Path:
        """The weights after the last step, ``last.pt``: those to report."""
        return self.out / LAST


class Observer:
    """Follows a run, from the main thread of rank 0; override what you want to see."""

    def stage(self, name: str) -> AbstractContextManager[Advance]:
        """Follow one stage: its progress is reported to what the context manager gives."""
        return silent(name)

    def began(self, trainer: Trainer, tables: Mapping[str, ImageTable], run: Run) -> None:
        """Called before the first step."""

    def stepped(self, trainer: Trainer, record: Record | None) -> None:
        """Called after each step, with the record that it completed, if any."""

    def evaluated(self, record: Record) -> None:
        """Called after each evaluation."""

    def noted(self, text: str) -> None:
        """Called with remarks."""

    def stopped(self, run: Run) -> None:
        """Called when the run was interrupted, after its checkpoint was written."""

    def finished(self, trained: TrainedRun) -> None:
        """Called after the last step."""


def train(
    manifest: str | Path,
    out: str | Path,
    *,
    config: TrainConfig = DEFAULT_CONFIG,
    keep: Keeping = "auto",
    device: str = "auto",
    observer: Observer | None = None,
) -> TrainedRun:
    """Train VisNet on a built set and evaluate it, as ``visnet-train`` does.

    Ctrl-C and SIGTERM stop it after the current step, with a checkpoint that `resume_training`
    continues from. Call it in the main thread. Processes that ``torchrun`` started train together.

    Args:
        manifest: ``manifest.csv`` of a built set with train, query and gallery.
        out: The run's folder: new or empty.
        config: What to train; the paper's settings by default.
        keep: Where images are kept: decoded once in ``memory``, or read from ``files`` in every
            epoch; ``auto`` is memory if they fit. It does not change the result.
        device: Where to train: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ...
        observer: Follows the run; `visnet_model.training.console.ConsoleObserver` prints it.

    Returns:
        The run's folder and its evaluations.

    Raises:
        Interrupted: SIGINT or SIGTERM; the checkpoint is written.
        ManifestError: The manifest cannot be read or breaks its schema.
        DatasetError: The manifest or its images cannot be used for training.
        WeightsError: The backbone's initial weights cannot be used.
        OutputError: The folder is not empty, or cannot be written.
        RecipeError: This machine has no such device.
        TrainingError: A loss is not finite.
        DeviceMemoryError: The device does not have enough memory for a batch.
        WorkerError: A process that reads images was killed.

    Examples:
        >>> from visnet_model import TrainConfig, train
        >>> config = TrainConfig.model_validate({
        ...     "network": {"backbone": "resnet18"},
        ...     "data": {"height": 32, "width": 16, "identities": 2, "num_instances": 2},
        ...     "optimisation": {"steps": 1},
        ... })
        >>> run = train("aug/manifest.csv", "runs/small", config=config, device="cpu")
        >>> run.step, run.checkpoint.as_posix()
        (1, 'runs/small/last.pt')
    """
    return _train(new_run(config, Path(manifest), Path(out), keep), device, observer)


def resume_training(
    out: str | Path,
    *,
    manifest: str | Path | None = None,
    keep: Keeping = "auto",
    device: str = "auto",
    observer: Observer | None = None,
) -> TrainedRun:
    """Resume a training that was stopped or killed; on a CPU it ends with the same weights.

    Args:
        out: The run's folder.
        manifest: Where the manifest is now, if it was moved.
        keep: As in `train`.
        device: As in `train`.
        observer: As in `train`.

    Returns:
        The run's folder and its evaluations, including earlier ones.

    Raises:
        CheckpointError: There is no checkpoint to resume from, or the manifest is another one.
        Interrupted: As in `train`, like the other errors.

    Examples:
        >>> from visnet_model import resume_training
        >>> resume_training("runs/market", device="cpu").step  # it was finished
        1
    """
    run = resumed_run(Path(out), None if manifest is None else Path(manifest), keep)
    return _train(run, device, observer)


def new_run(config: TrainConfig, manifest: Path, out: Path, keeping: Keeping = "auto") -> Run:
    """Describe a run in a folder that is new or empty.

    Raises:
        OutputError: The folder is not empty.
    """
    if (out / LAST).exists():
        raise OutputError(
            f"{out}: has a run already; resume it with --resume {out}, or name a new folder"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: not an empty folder; name a new one")
    return Run(config, manifest, out, keeping)


def resumed_run(out: Path, manifest: Path | None = None, keeping: Keeping = "auto") -> Run:
    """Describe the rest of a run.

    Args:
        out: The run's folder.
        manifest: Where the manifest is now, if it was moved.
        keeping: Where images are kept during the training.

    Raises:
        CheckpointError: There is no checkpoint to resume from, or the manifest is another one.
    """
    path = out / LAST
    state = read_checkpoint(path)
    manifest = manifest or Path(state["manifest"]["path"])
    if not manifest.is_file():
        raise CheckpointError(
            f"{manifest}: the manifest that {path} was trained on does not exist any more; use "
            "--manifest to say where it is"
        )
    if checksum(manifest) != state["manifest"]["sha256"]:
        raise CheckpointError(
            f"{manifest}: not the manifest that {path} was trained on (its checksum differs)"
        )
    return Run(config_of(state, path), manifest, out, keeping, state, state["manifest"]["sha256"])


def _train(run: Run, device: str, observer: Observer | None) -> TrainedRun:
    """Train a run, together with the other processes of ``torchrun``, if there are any."""
    with join(choose_device(device)) as ranks:
        return run_training(run, ranks, observer or Observer())


def run_training(run: Run, ranks: Ranks, observer: Observer) -> TrainedRun:
    """Train to the end, evaluating and writing checkpoints on the way; raises what `train` does."""
    tables = read_tables(run.manifest)
    # Now, because the file may have changed when a checkpoint is written; images in memory have
    # not.
    run = replace(run, manifest_sha256=run.manifest_sha256 or checksum(run.manifest))
    check_tables(tables, run.manifest)
    trainer, images = _prepare(run, tables, ranks, observer)
    log = StepLog(_open_logs(run, trainer, ranks, observer), tables["train"].name)
    if ranks.is_first:
        observer.began(trainer, tables, run)
    try:
        with listen() as interrupt:
            if run.state is None:
                _save(run, trainer, ranks, LAST)
            _evaluate_if_due(run, trainer, tables, images, ranks, log, observer)
            while not trainer.finished:
                _run_epoch(run, trainer, ranks, log, observer, interrupt)
                _evaluate_if_due(run, trainer, tables, images, ranks, log, observer)
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            f"{ranks.device}: not enough memory for a batch; use fewer --identities or "
            "--num-instances, a smaller --size, or --precision bf16"
        ) from error
    except NonFiniteLossError as error:
        raise TrainingError(
            f"{error}; lower the learning rate, or check these images; {run.out / LAST} is from "
            "before"
        ) from error
    except Interrupted:
        if ranks.is_first:
            observer.stopped(run)
        raise
    finally:
        log.close()
    trained = TrainedRun(run.out, trainer.step, tuple(trainer.results))
    if ranks.is_first:
        _draw(run, observer)
        observer.finished(trained)
    return trained


def check_tables(tables: Mapping[str, ImageTable], manifest: Path) -> None:
    """Refuse a manifest that must not, or cannot, be trained on.

    Raises:
        DatasetError: It is a probe, or has no training, query or gallery images.
    """
    if not tables.keys().isdisjoint(PROBE_SPLITS):
        raise DatasetError(
            f"{manifest}: a probe, which consists of test images and must not be trained on; use "
            "it with visnet-eval --probe"
        )
    if "train" not in tables:
        raise DatasetError(f"{manifest}: no images of split train")
    check_splits(tables)


def _prepare(
    run: Run, tables: Mapping[str, ImageTable], ranks: Ranks, observer: Observer
) -> tuple[Trainer, dict[str, ImageSource]]:
    """Load the images that this rank needs, and make its trainer."""
    config, data = run.config, run.config.data
    table = tables["train"]
    labels, pids = identity_labels(table.pids)
    sampler = PKSampler(
        labels,
        table.sources,
        identities=data.identities,
        num_instances=data.num_instances,
        seed=config.seed,
        mixing=data.mixing,
    )
    images = {
        split: open_images(tables[split], data, run.keeping, ranks.device, observer.stage, split)
        for split in (("train", "query", "gallery") if ranks.is_first else ("train",))
    }
    loader = TrainingLoader(
        images["train"],
        labels,
        sampler,
        data.augmentation,
        device=ranks.device,
        seed=config.seed,
        rank=ranks.rank,
        world=ranks.world,
    )
    trainer = Trainer(config, loader, pids.tolist(), ranks, fresh=run.state is None)
    if run.state is not None:
        try:
            trainer.restore(run.state)
        except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"{run.out / LAST}: damaged, or not of this version: {reason}"
            ) from error
    return trainer, images


def _open_logs(run: Run, trainer: Trainer, ranks: Ranks, observer: Observer) -> list[Log]:
    """Make the run's folder, describe the run in it, and open its logs; on rank 0 only."""
    if not ranks.is_first:
        return []
    make_folder(run.out)
    write_file(run.out / CONFIG, dump_config(run.config).encode())
    if run.state is None:
        environment = json.dumps(_environment(run, trainer, ranks), indent=2)
        write_file(run.out / ENVIRONMENT, f"{environment}\n".encode())
    logs: list[Log] = [MetricsFile(run.out / METRICS, trainer.step)]
    try:
        logs.append(TensorBoardFile(run.out / TENSORBOARD, trainer.step))
    except ImportError:
        observer.noted("TensorBoard is not installed: no log for it (pip install tensorboard)")
    return logs


def _run_epoch(
    run: Run,
    trainer: Trainer,
    ranks: Ranks,
    log: StepLog,
    observer: Observer,
    interrupt: Interrupt,
) -> None:
    """Train to the end of the epoch, or until interrupted, and save; then stop if interrupted."""

    def on_step(step: Step) -> None:
        record = log.add(step)
        if ranks.is_first:
            observer.stepped(trainer, record)

    def stop() -> bool:
        # Ranks must stop together; asking the others in each step would cost a message per step.
        asking = ranks.world == 1 or trainer.step % INTERVAL == 0
        return asking and ranks.any(interrupt.wanted)

    done = trainer.run_epoch(on_step, stop)
    log.check()
    leaving = not trainer.finished and (not done or ranks.any(interrupt.wanted))
    if trainer.finished or leaving:
        log.flush()
    _save(run, trainer, ranks, LAST)
    if leaving:
        raise Interrupted


def _is_due(config: TrainConfig, trainer: Trainer) -> bool:
    """Tell whether an evaluation of these weights is due and has not been done, also before."""
    every = config.evaluation.every
    between = trainer.step > 0 and trainer.batch == 0 and every > 0 and trainer.epoch % every == 0
    evaluated = bool(trainer.results) and trainer.results[-1]["step"] == trainer.step
    return (trainer.finished or between) and not evaluated


def _evaluate_if_due(
    run: Run,
    trainer: Trainer,
    tables: Mapping[str, ImageTable],
    images: Mapping[str, ImageSource],
    ranks: Ranks,
    log: StepLog,
    observer: Observer,
) -> None:
    """Evaluate on rank 0 and save the results, while the others wait."""
    if not _is_due(run.config, trainer):
        return
    if ranks.is_first:
        _evaluate(run, trainer, tables, images, ranks, log, observer)
        _save(run, trainer, ranks, LAST)
    ranks.wait()


def _evaluate(
    run: Run,
    trainer: Trainer,
    tables: Mapping[str, ImageTable],
    images: Mapping[str, ImageSource],
    ranks: Ranks,
    log: StepLog,
    observer: Observer,
) -> None:
    """Evaluate on query and gallery, and save the weights if they are the best so far."""
    options = EvaluationOptions(
        flip=run.config.evaluation.flip, precision=run.config.optimisation.precision
    )
    ranking = evaluate_network(
        trainer.network, tables, images, options, device=ranks.device, stage=observer.stage
    ).ranking
    record = {
        "step": trainer.step,
        "epoch": trainer.epoch,
        "mAP": ranking.mAP,
        "mINP": ranking.mINP,
        **{f"rank{rank}": ranking.cmc[rank] for rank in RANKS},
    }
    best = max((result["mAP"] for result in trainer.results), default=-1.0)
    trainer.results.append(record)
    log.evaluated(record)
    observer.evaluated(record)
    if ranking.mAP > best:
        _save(run, trainer, ranks, BEST)


def _save(run: Run, trainer: Trainer, ranks: Ranks, name: str) -> None:
    if ranks.is_first:
        manifest = {"path": str(run.manifest.resolve()), "sha256": run.manifest_sha256}
        state = {**trainer.state(), "manifest": manifest, "versions": versions()}
        write_checkpoint(run.out / name, state)


def _draw(run: Run, observer: Observer) -> None:
    try:
        draw_curves(read_metrics(run.out / METRICS), run.out / CURVES)
    except ImportError:
        observer.noted("matplotlib is not installed: no curves.png (pip install matplotlib)")


def _environment(run: Run, trainer: Trainer, ranks: Ranks) -> dict[str, Any]:
    """Return what readers of the results need to know about the machine and the input."""
    return {
        "manifest": str(run.manifest),
        "manifest_sha256": run.manifest_sha256,
        "backbone": trainer.init,
        "device": device_name(ranks.device),
        "processes": ranks.world,
        "versions": versions(),
    }
