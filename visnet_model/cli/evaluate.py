"""``visnet-eval``: a checkpoint and a manifest to tables, ``results.json`` and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from visnet_aug.command import CONTEXT, exit_codes, run
from visnet_aug.errors import ManifestError, OutputError
from visnet_model.cli.common import (
    batch_size_option,
    device_option,
    epilog,
    precision_option,
)
from visnet_model.errors import CheckpointError, DataError, ModelError, TrainingError

if TYPE_CHECKING:
    import torch

    from visnet_model.data.images import ImageSource
    from visnet_model.data.settings import DataSettings
    from visnet_model.data.table import ImageTable
    from visnet_model.evaluation.evaluate import Evaluation
    from visnet_model.evaluation.probe import Probe
    from visnet_model.evaluation.report import Subject
    from visnet_model.training.checkpoint import LoadedNetwork

NAME = "visnet-eval"
FOLDER = "evaluation"
"""Where results go by default, beside the checkpoint."""

RESULTS, CMC, PROBE, STRIPS = "results.json", "cmc.png", "probe.png", "strips.png"
"""What may be written there."""

PAPER_IDENTITIES = 751
"""Market-1501's training identities, for Table III."""


@click.command(
    context_settings=CONTEXT,
    epilog=epilog(
        NAME,
        exit_codes(
            ModelError,
            DataError,
            CheckpointError,
            OutputError,
            ManifestError,
            TrainingError,
        ),
        "visnet-eval --checkpoint runs/market/best.pt",
        "visnet-eval --checkpoint runs/market/best.pt --manifest aug/manifest.csv --flip --rerank",
        "visnet-eval --checkpoint runs/market/best.pt --probe probe/manifest.csv",
        "visnet-eval --complexity",
    ),
)
@click.option("--checkpoint", type=click.Path(path_type=Path), help="A checkpoint of visnet-train.")
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    help="manifest.csv of a built set; its query and gallery are used.  [default: the one that "
    "the checkpoint was trained on]",
)
@click.option(
    "--probe",
    type=click.Path(path_type=Path),
    help="manifest.csv of visnet-aug probe, instead of --manifest: how much accuracy is lost "
    "before other backgrounds.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help=f"Folder to write results.json and pictures to; those of an earlier evaluation are "
    f"replaced.  [default: {FOLDER}, beside the checkpoint]",
)
@click.option("--flip", is_flag=True, help="Average embeddings with those of mirrored images.")
@click.option(
    "--rerank",
    is_flag=True,
    help="Re-rank by k-reciprocal neighbours, too; that is not the paper's protocol.",
)
@click.option("--camera-pairs", is_flag=True, help="Break accuracy down by pairs of cameras.")
@click.option(
    "--strips",
    metavar="N",
    type=click.IntRange(0, 200),
    default=16,
    show_default=True,
    help="Queries in strips.png, each with its ten nearest images; 0 for none.",
)
@click.option(
    "--complexity",
    is_flag=True,
    help="Print the paper's Table III beside our network's numbers (or --checkpoint's), and leave.",
)
@device_option
@precision_option
@batch_size_option
def evaluate(
    checkpoint: Path | None,
    manifest: Path | None,
    probe: Path | None,
    out: Path | None,
    flip: bool,
    rerank: bool,
    camera_pairs: bool,
    strips: int,
    complexity: bool,
    device: str,
    precision: Literal["fp32", "bf16", "auto"],
    batch_size: int,
) -> None:
    """Evaluate a trained network on query and gallery.

    Prints the paper's Table I with the network's row (mAP and CMC, single query), and writes
    results.json, the CMC curve, and strips of ranked images.
    """
    if manifest is not None and probe is not None:
        raise click.UsageError("Give --manifest or --probe, not both: a probe's manifest has both.")
    if complexity:
        click.echo(_complexity(checkpoint))
        return
    if checkpoint is None:
        raise click.UsageError("Give --checkpoint, or --complexity.")

    from visnet_aug.files import make_folder, remove_file
    from visnet_aug.hardware import choose_device
    from visnet_model.evaluation.evaluate import EvaluationOptions
    from visnet_model.evaluation.report import Subject
    from visnet_model.training.checkpoint import load_network

    where = choose_device(device)
    loaded = load_network(checkpoint, where)
    subject = Subject(
        checkpoint=checkpoint,
        trained=_describe(loaded),
        manifest=probe or manifest or _recorded_manifest(loaded, checkpoint),
        device=where,
        options=EvaluationOptions(batch_size, flip, precision, rerank),
    )
    folder = out or checkpoint.parent / FOLDER
    make_folder(folder)
    evaluation, sensitivity = _evaluate(subject, loaded, probed=probe is not None)
    written = _report(subject, loaded, evaluation, sensitivity, camera_pairs, folder)
    written += _draw(evaluation, sensitivity, strips, folder)
    for name in sorted({RESULTS, CMC, PROBE, STRIPS}.difference(written)):
        remove_file(folder / name)  # of an earlier evaluation; it would pass for one of this
    click.echo(f"{folder}: {', '.join(written)}")


def _complexity(checkpoint: Path | None) -> str:
    """Set Table III beside our numbers."""
    from importlib.util import find_spec

    from visnet_model.network.complexity import complexity_table, measure_complexity
    from visnet_model.network.visnet import VisNet
    from visnet_model.training.checkpoint import load_network

    if find_spec("thop") is None:
        raise ModelError(
            "FLOPs are counted by thop, which is not installed: pip install ultralytics-thop"
        )
    network = VisNet(PAPER_IDENTITIES) if checkpoint is None else load_network(checkpoint).network
    return complexity_table(measure_complexity(network))


def _describe(loaded: LoadedNetwork) -> dict[str, Any]:
    """Tell what results.json says of a checkpoint."""
    return {
        "epoch": loaded.epoch,
        "step": loaded.step,
        "identities": len(loaded.pids),
        "trained_on": {"path": str(loaded.manifest), "sha256": loaded.manifest_sha256},
        "config": loaded.config.model_dump(mode="json"),
    }


def _recorded_manifest(loaded: LoadedNetwork, checkpoint: Path) -> Path:
    """Return the manifest that a network was trained on, if it is still that."""
    from visnet_model.provenance import sha256_of

    if not loaded.manifest.is_file():
        raise DataError(
            f"{loaded.manifest}: the manifest that {checkpoint} was trained on is not there; say "
            "by --manifest what to evaluate on"
        )
    if sha256_of(loaded.manifest) != loaded.manifest_sha256:
        click.echo(f"{loaded.manifest}: has changed since {checkpoint} was trained on it", err=True)
    return loaded.manifest


def _evaluate(
    subject: Subject, loaded: LoadedNetwork, *, probed: bool
) -> tuple[Evaluation, Probe | None]:
    """Embed and rank with progress bars."""
    import torch

    from visnet_aug.progress import stage
    from visnet_model.data.table import read_tables
    from visnet_model.evaluation.evaluate import Embedder, check_splits, evaluate_network
    from visnet_model.evaluation.probe import check_probe, evaluate_probe

    tables = read_tables(subject.manifest)
    check_splits(tables)
    if probed:
        check_probe(tables)
    images = _Images(tables, loaded.config.data, subject.device)
    network = loaded.network.to(memory_format=torch.channels_last)
    options, device = subject.options, subject.device
    evaluation = evaluate_network(network, tables, images, options, device=device, stage=stage)
    if not probed:
        return evaluation, None
    embedder = Embedder(network, options, device, stage)
    return evaluation, evaluate_probe(embedder, evaluation, tables, images)


def _report(
    subject: Subject,
    loaded: LoadedNetwork,
    evaluation: Evaluation,
    probe: Probe | None,
    camera_pairs: bool,
    folder: Path,
) -> list[str]:
    """Print the tables and write the numbers; return what was written."""
    from visnet_model.evaluation import report
    from visnet_model.evaluation.tables import camera_table, paper_table, probe_table

    size = loaded.config.data.height, loaded.config.data.width
    cost = report.measure_cost(loaded.network, size, flip=subject.options.flip)
    pairs = report.pair_cameras(evaluation) if camera_pairs else None
    click.echo(paper_table(evaluation, cost))
    if pairs is not None:
        click.echo(f"\n{camera_table(pairs)}")
    if probe is not None:
        click.echo(f"\n{probe_table(probe)}")
    click.echo()
    results = report.collect_results(subject, evaluation, cost, pairs, probe)
    report.write_results(results, folder / RESULTS)
    return [RESULTS]


def _draw(evaluation: Evaluation, probe: Probe | None, strips: int, folder: Path) -> list[str]:
    """Draw the pictures; return what was written."""
    from visnet_model.evaluation.plots import draw_cmc, draw_probe
    from visnet_model.evaluation.strips import choose_strips, draw_strips

    written = []
    try:
        draw_cmc(evaluation, folder / CMC)
        written.append(CMC)
        if probe is not None:
            draw_probe(probe, folder / PROBE)
            written.append(PROBE)
    except ImportError:
        click.echo("no matplotlib here: charts are left out (pip install matplotlib)", err=True)
    if strips:
        draw_strips(evaluation, choose_strips(evaluation, strips), folder / STRIPS)
        written.append(STRIPS)
    return written


class _Images(Mapping[str, "ImageSource"]):
    """A manifest's images by split, each split opened when it is asked for.

    One at a time is needed, and a probe is many times the size of the test set.
    """

    def __init__(
        self, tables: Mapping[str, ImageTable], data: DataSettings, device: torch.device
    ) -> None:
        self._tables = tables
        self._data = data
        self._device = device

    def __getitem__(self, split: str) -> ImageSource:
        from visnet_aug.progress import stage
        from visnet_model.data.keeping import open_images

        table = self._tables[split]
        return open_images(table, self._data, "auto", self._device, stage, f"read {split}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


def main() -> None:
    """Run the command; the console script's entry point."""
    run(evaluate, NAME)


if __name__ == "__main__":
    main()
