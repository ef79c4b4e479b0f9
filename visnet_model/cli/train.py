"""``visnet-train``: train VisNet by the ``train:`` section of a pipeline file, and options."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from visnet_aug.command import CONTEXT, INTERRUPTED, exit_codes, run
from visnet_aug.errors import (
    DatasetError,
    ManifestError,
    OutputError,
    WeightsError,
    WorkerError,
)
from visnet_model.cli.common import device_option, epilog
from visnet_model.errors import CheckpointError, DeviceMemoryError, TrainingError

if TYPE_CHECKING:
    from visnet_model.config import TrainConfig

NAME = "visnet-train"

FLAGS = {
    "seed": ("seed",),
    "backbone": ("network", "backbone"),
    "init": ("network", "init"),
    "size": ("data", "size"),
    "identities": ("data", "identities"),
    "num_instances": ("data", "num_instances"),
    "mixing": ("data", "mixing"),
    "epochs": ("optimisation", "epochs"),
    "steps": ("optimisation", "steps"),
    "learning_rate": ("optimisation", "learning_rate"),
    "precision": ("optimisation", "precision"),
    "compiled": ("optimisation", "compile"),
    "evaluate_every": ("evaluation", "every"),
}
"""The setting that an option overrides."""


def _size(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """Parse ``HxW``."""
    if value is None:
        return None
    height, times, width = value.partition("x")
    if not (times and height.isdecimal() and width.isdecimal()):
        raise click.BadParameter(f"{value!r} is not HEIGHTxWIDTH, such as 256x128")
    return int(height), int(width)


@click.command(
    context_settings=CONTEXT,
    epilog=epilog(
        NAME,
        exit_codes(
            DatasetError,
            WeightsError,
            OutputError,
            ManifestError,
            WorkerError,
            CheckpointError,
            TrainingError,
            DeviceMemoryError,
            interrupted="interrupted; --resume continues where it stopped",
        ),
        "visnet-train --manifest aug/manifest.csv --out runs/market",
        "visnet-train --manifest aug/manifest.csv --out runs/market --init imagenet",
        "visnet-train --manifest aug/manifest.csv --out runs/small --backbone resnet18 "
        "--size 128x64 --epochs 20",
        "visnet-train --resume runs/market",
        "torchrun --nproc-per-node 4 -m visnet_model.cli.train --manifest aug/manifest.csv "
        "--out runs/market",
    ),
)
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    help="manifest.csv of a built set. With --resume: its new place, if it was moved.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The run's folder: new or empty.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    help="Folder of a run to resume, instead of --out. The result is that of a run that was never "
    "stopped.",
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE|NAME",
    help="Settings: a YAML file with a train: section, or a packaged recipe that visnet-aug recipe "
    "--list names; the options below override it.  [default: market1501]",
)
@click.option(
    "--backbone",
    type=click.Choice(["resnet50", "resnet34", "resnet18"]),
    help="The paper's ResNet50, or one for small machines.  [default: resnet50]",
)
@click.option(
    "--init",
    metavar="random|imagenet|PATH",
    help="Initial weights of the backbone: random, torchvision's ImageNet weights (downloaded "
    "once), or a local .pth or .safetensors state dict.  [default: random]",
)
@click.option(
    "--size", metavar="HxW", callback=_size, help="Input size in pixels.  [default: 256x128]"
)
@click.option(
    "--identities",
    metavar="P",
    type=click.IntRange(min=1),
    help="Identities in a batch.  [default: 8]",
)
@click.option(
    "--num-instances",
    metavar="K",
    type=click.IntRange(min=1),
    help="Images of each identity in a batch.  [default: 12]",
)
@click.option(
    "--mixing",
    type=click.Choice(["one-version", "any"]),
    help="one-version keeps an image and its own copies out of the same batch, as long as the "
    "identity has K source images; any does not.  [default: one-version]",
)
@click.option("--epochs", metavar="N", type=click.IntRange(min=1), help="[default: 100]")
@click.option(
    "--steps", metavar="N", type=click.IntRange(min=1), help="Batches, instead of epochs."
)
@click.option(
    "--learning-rate",
    metavar="X",
    type=click.FloatRange(min=0, min_open=True),
    help="Initial learning rate.  [default: 0.00035]",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32"]),
    help="auto is bf16 where the hardware supports it.  [default: auto]",
)
@click.option(
    "--compile/--no-compile", "compiled", default=None, help="Use torch.compile.  [default: no]"
)
@click.option(
    "--evaluate-every",
    metavar="N",
    type=click.IntRange(min=0),
    help="Epochs between evaluations; 0 evaluates at the end only.  [default: 10]",
)
@click.option("--seed", metavar="N", type=click.IntRange(min=0), help="[default: 0]")
@click.option(
    "--keep",
    type=click.Choice(["auto", "memory", "files"]),
    default="auto",
    show_default=True,
    help="Images: decode once and keep in memory (of the GPU, if they fit), or read again in every "
    "epoch. It does not change the result.",
)
@device_option
def command(
    manifest: Path | None,
    out: Path | None,
    resume: Path | None,
    config_file: Path | None,
    keep: Literal["auto", "memory", "files"],
    device: str,
    **flags: object,
) -> int:
    """Train VisNet on a built set and evaluate it on the set's query and gallery.

    Writes config.yaml, metrics.jsonl, a TensorBoard log, last.pt after every epoch, best.pt by
    mAP, and curves.png to the run's folder. Ctrl-C saves and stops; --resume continues.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if resume is not None:
        _refuse_with_resume(out, config_file, given)
    elif manifest is None or out is None:
        raise click.UsageError("Give --manifest and --out, or --resume.")

    from visnet_model.training.console import ConsoleObserver
    from visnet_model.training.run import Interrupted, resume_training, train

    try:
        with ConsoleObserver() as observer:
            if resume is not None:
                resume_training(
                    resume, manifest=manifest, keep=keep, device=device, observer=observer
                )
            elif manifest is not None and out is not None:
                config = _config(config_file, given)
                train(manifest, out, config=config, keep=keep, device=device, observer=observer)
    except Interrupted:
        return INTERRUPTED
    return 0


def _refuse_with_resume(
    out: Path | None, config_file: Path | None, given: dict[str, object]
) -> None:
    """Refuse options that would change a resumed run: its config is in its checkpoint."""
    names = [f"--{name.replace('_', '-').replace('compiled', 'compile')}" for name in given]
    names += [name for name, value in (("--out", out), ("--config", config_file)) if value]
    if names:
        raise click.UsageError(
            f"{', '.join(names)} cannot be used with --resume; start a new run with --out."
        )


def _config(path: Path | None, flags: dict[str, object]) -> TrainConfig:
    """Load a config, or take the default one, and override it with the options."""
    from visnet_aug.pipeline_file import replace_settings
    from visnet_model.config import TrainConfig, load_config

    if {"epochs", "steps"} <= set(flags):
        raise click.UsageError("Give --epochs or --steps, not both.")
    config = load_config(path) if path else TrainConfig()
    changes: dict[str, Any] = config.model_dump()
    if "epochs" in flags:
        changes["optimisation"]["steps"] = None  # the file's steps would override epochs
    for name, value in flags.items():
        *sections, field = FLAGS[name]
        section = changes[sections[0]] if sections else changes
        if field == "size":
            section["height"], section["width"] = value  # type: ignore[misc]
        else:
            section[field] = value
    return replace_settings(config, changes)


def main() -> None:
    """Run the command; the console script's entry point."""
    run(command, NAME)


if __name__ == "__main__":
    main()
