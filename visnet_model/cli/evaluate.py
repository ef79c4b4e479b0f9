"""``visnet-eval``: the accuracy of a checkpoint on a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from visnet_aug.command import CONTEXT, exit_codes, run
from visnet_aug.errors import DatasetError, ManifestError, OutputError, WorkerError
from visnet_model.cli.common import (
    batch_size_option,
    device_option,
    epilog,
    note,
    precision_option,
)
from visnet_model.errors import (
    CheckpointError,
    DeviceMemoryError,
    MissingPackageError,
    TrainingError,
)

NAME = "visnet-eval"
FOLDER = "evaluation"
"""Default output folder, next to the checkpoint."""


@click.command(
    context_settings=CONTEXT,
    epilog=epilog(
        NAME,
        exit_codes(
            DatasetError,
            OutputError,
            ManifestError,
            WorkerError,
            CheckpointError,
            TrainingError,
            DeviceMemoryError,
            MissingPackageError,
        ),
        "visnet-eval --checkpoint runs/market/last.pt",
        "visnet-eval --checkpoint runs/market/last.pt --manifest aug/manifest.csv --flip --rerank",
        "visnet-eval --checkpoint runs/market/last.pt --probe probe/manifest.csv",
        "visnet-eval --complexity",
    ),
)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="Checkpoint of visnet-train. Report last.pt: best.pt was chosen by its accuracy on the "
    "test set.",
)
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    help="manifest.csv of a built set, whose query and gallery are used.  [default: the one that "
    "the checkpoint was trained on]",
)
@click.option(
    "--probe",
    type=click.Path(path_type=Path),
    help="manifest.csv of visnet-aug probe, instead of --manifest: how much accuracy is lost with "
    "other backgrounds.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help=f"Folder for results.json and pictures; those of an earlier evaluation are replaced.  "
    f"[default: {FOLDER}, next to the checkpoint]",
)
@click.option("--flip", is_flag=True, help="Average embeddings with those of mirrored images.")
@click.option(
    "--rerank",
    is_flag=True,
    help="Re-rank by k-reciprocal neighbours, too; this is not the paper's protocol.",
)
@click.option("--camera-pairs", is_flag=True, help="Break accuracy down by pairs of cameras.")
@click.option(
    "--strips",
    metavar="N",
    type=click.IntRange(0, 200),
    default=16,
    show_default=True,
    help="Number of queries in strips.png, each with its ten nearest images; 0 for none.",
)
@click.option(
    "--complexity",
    is_flag=True,
    help="Only print the paper's Table III next to the numbers of our network (or of "
    "--checkpoint).",
)
@device_option
@precision_option
@batch_size_option
def command(
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

    Prints the paper's Table I with a row for the network (mAP and CMC, single query), and writes
    results.json, the CMC curve, and strips of ranked images.
    """
    if manifest is not None and probe is not None:
        raise click.UsageError(
            "Give --manifest or --probe, not both: a probe has its own manifest."
        )
    if complexity:
        from visnet_model.evaluation.complexity import compare_with_paper

        click.echo(compare_with_paper(checkpoint))
        return
    if checkpoint is None:
        raise click.UsageError("Give --checkpoint, or --complexity.")

    from visnet_aug.progress import stage
    from visnet_model.evaluation.evaluate import evaluate

    folder = out or checkpoint.parent / FOLDER
    report = evaluate(
        checkpoint,
        manifest,
        probe=probe,
        out=folder,
        flip=flip,
        rerank=rerank,
        camera_pairs=camera_pairs,
        strips=strips,
        device=device,
        precision=precision,
        batch_size=batch_size,
        stage=stage,
        note=note,
    )
    click.echo(f"{report}\n\n{folder}: {', '.join(report.written)}")


def main() -> None:
    """Run the command; the console script's entry point."""
    run(command, NAME)


if __name__ == "__main__":
    main()
