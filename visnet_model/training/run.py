"""The conductor: a manifest to a trained and evaluated network in a run's folder.

A run's folder holds ``config.yaml`` and ``environment.json`` from the start, ``metrics.jsonl`` and
``tensorboard/`` as it goes, ``last.pt`` after every epoch, ``best.pt`` (highest mAP) after an
evaluation, and ``curves.png`` at the end. Rank 0 alone writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from visnet_aug.errors import OutputError
from visnet_aug.files import make_folder, write_file
from visnet_aug.manifest import PROBE_SPLITS
from visnet_aug.progress import Stage
from visnet_model.config import TrainConfig, dump_config
from visnet_model.data.images import ImageSource
from visnet_model.data.keeping import Keeping, open_images
from visnet_model.data.loader import TrainingLoader
from visnet_model.data.sampler import PKSampler
from visnet_model.data.table import ImageTable, identity_labels, read_tables
from visnet_model.errors import CheckpointError, DataError, TrainingError
from visnet_model.evaluation.evaluate import (
    EvaluationOptions,
    check_splits,
    evaluate_network,
)
from visnet_model.evaluation.ranking import RANKS
from visnet_model.losses.total import NonFiniteLossError
from visnet_model.provenance import device_name, sha256_of, versions
from visnet_model.training.checkpoint import config_of, read_checkpoint, write_checkpoint
from visnet_model.training.curves import CURVES, draw_curves
from visnet_model.training.distributed import Ranks
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
from visnet_model.training.trainer import Step, Trainer

LAST = "last.pt"
BEST = "best.pt"
CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"


class Interrupted(Exception):  # noqa: N818  nothing went wrong
    """The run was asked to stop; its checkpoint is written."""


class Observer(Protocol):
    """Told about a run, from the main thread of rank 0."""

    @property
    def stage(self) -> Stage:
        """Show the progress of a stage of a given name."""

    def began(self, trainer: Trainer, tables: Mapping[str, ImageTable], run: Run) -> None:
        """Tell what is trained on what."""

    def stepped(self, trainer: Trainer, record: Record | None) -> None:
        """Tell of a step, and of the record that it completed."""

    def evaluated(self, record: Record) -> None:
        """Tell of an evaluation."""

    def noted(self, text: str) -> None:
        """Tell something else."""


@dataclass(frozen=True, slots=True)
class Run:
    """What to train, on what, and where to.

    Attributes:
        config: What to do.
        manifest: What was built.
        out: The run's folder.
        keeping: Where images are kept while training.
        state: The checkpoint to go on from, if any.
        manifest_sha256: Checksum of the manifest; ``None`` until it is read.
    """

    config: TrainConfig
    manifest: Path
    out: Path
    keeping: Keeping = "auto"
    state: Mapping[str, Any] | None = None
    manifest_sha256: str | None = None


def new_run(config: TrainConfig, manifest: Path, out: Path, keeping: Keeping = "auto") -> Run:
    """Describe a run into a folder that is new or empty.

    Raises:
        OutputError: The folder holds something.
    """
    if (out / LAST).exists():
        raise OutputError(
            f"{out}: holds a run already; go on with it by --resume {out}, or give a new folder"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: not an empty folder; give a new one")
    return Run(config, manifest, out, keeping)


def resumed_run(out: Path, manifest: Path | None = None, keeping: Keeping = "auto") -> Run:
    """Describe the rest of a run.

    Args:
        out: Its folder.
        manifest: Where the manifest is now, if it was moved.
        keeping: Where images are kept while training.

    Raises:
        CheckpointError: There is no checkpoint to go on from, or the manifest is another one.
    """
    path = out / LAST
    state = read_checkpoint(path)
    manifest = manifest or Path(state["manifest"]["path"])
    if not manifest.is_file():
        raise CheckpointError(
            f"{manifest}: the manifest that {path} was trained on is not there; say where it is "
            "by --manifest"
        )
    if sha256_of(manifest) != state["manifest"]["sha256"]:
        raise CheckpointError(
            f"{manifest}: not the manifest that {path} was trained on (its checksum differs)"
        )
    return Run(config_of(state, path), manifest, out, keeping, state, state["manifest"]["sha256"])


def train(run: Run, ranks: Ranks, observer: Observer) -> Trainer:
    """Train to the end, evaluating and writing checkpoints on the way.

    Returns:
        The trainer at its end; ``results`` has the evaluations.

    Raises:
        DataError: The manifest or its images cannot be trained on.
        TrainingError: A loss is not finite.
        OutputError: The run's folder cannot be written.
        WeightsError: The backbone's weights cannot be used.
        Interrupted: SIGINT or SIGTERM; what was done is in ``last.pt``.
    """
    tables = read_tables(run.manifest)
    # Once: the file may be another by the time of a checkpoint, the images in memory are not.
    run = replace(run, manifest_sha256=run.manifest_sha256 or sha256_of(run.manifest))
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
        raise TrainingError(
            f"{ranks.device}: not enough memory for a batch; take fewer --images or --identities, "
            "a smaller --size, or --precision bf16"
        ) from error
    except NonFiniteLossError as error:
        raise TrainingError(
            f"{error}; lower the learning rate, or look at these images; {run.out / LAST} is from "
            "before"
        ) from error
    finally:
        log.close()
    if ranks.is_first:
        _draw(run, observer)
    return trainer


def check_tables(tables: Mapping[str, ImageTable], manifest: Path) -> None:
    """Refuse what must not, or cannot, be trained on.

    Raises:
        DataError: It is a probe, or has no training, query or gallery images.
    """
    if not tables.keys().isdisjoint(PROBE_SPLITS):
        raise DataError(
            f"{manifest}: a probe, made of test images: nothing may be trained on it; give it to "
            "visnet-eval --probe"
        )
    if "train" not in tables:
        raise DataError(f"{manifest}: no images of split train")
    check_splits(tables)


def _prepare(
    run: Run, tables: Mapping[str, ImageTable], ranks: Ranks, observer: Observer
) -> tuple[Trainer, dict[str, ImageSource]]:
    """Load the images that this rank needs and make its trainer."""
    config, data = run.config, run.config.data
    table = tables["train"]
    labels, pids = identity_labels(table.pids)
    sampler = PKSampler(
        labels,
        table.sources,
        identities=data.identities,
        images=data.images,
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
    """Make the run's folder, say in it what runs, and open its logs; on rank 0 only."""
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
        observer.noted("no TensorBoard here: its log is left out (pip install tensorboard)")
    return logs


def _run_epoch(
    run: Run,
    trainer: Trainer,
    ranks: Ranks,
    log: StepLog,
    observer: Observer,
    interrupt: Interrupt,
) -> None:
    """Train to the epoch's end and save; leave then if asked to, or where the epoch was left."""

    def on_step(step: Step) -> None:
        record = log.add(step)
        if ranks.is_first:
            observer.stepped(trainer, record)

    def stop() -> bool:
        # Ranks must leave together; asking the others each step would cost a message each step.
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
    """Say whether these weights are to be evaluated and have not been, here or before a resume."""
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
    """Evaluate on rank 0, and save the results, while the others wait."""
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
    """Rank query and gallery; keep the weights if they are the best so far."""
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
        observer.noted("no matplotlib here: curves.png is left out (pip install matplotlib)")


def _environment(run: Run, trainer: Trainer, ranks: Ranks) -> dict[str, Any]:
    """Return what a reader of the results needs to know of the machine and the input."""
    return {
        "manifest": str(run.manifest),
        "manifest_sha256": run.manifest_sha256,
        "backbone": trainer.init,
        "device": device_name(ranks.device),
        "processes": ranks.world,
        "versions": versions(),
    }
