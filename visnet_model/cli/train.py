"""``visnet-train``: flags over a pipeline file's ``train:`` section, to one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from visnet_aug.command import CONTEXT, INTERRUPTED, exit_codes, run
from visnet_aug.errors import ManifestError, OutputError
from visnet_model.cli.common import device_option, epilog
from visnet_model.errors import CheckpointError, DataError, ModelError, TrainingError, WeightsError

if TYPE_CHECKING:
    from visnet_model.config import TrainConfig
    from visnet_model.training.run import Run

NAME = "visnet-train"

FLAGS = {
    "seed": ("seed",),
    "backbone": ("network", "backbone"),
    "init": ("network", "init"),
    "size": ("data", "size"),
    "identities": ("data", "identities"),
    "images": ("data", "images"),
    "mixing": ("data", "mixing"),
    "epochs": ("optimisation", "epochs"),
    "steps": ("optimisation", "steps"),
    "learning_rate": ("optimisation", "learning_rate"),
    "precision": ("optimisation", "precision"),
    "compiled": ("optimisation", "compile"),
    "evaluate_every": ("evaluation", "every"),
}
"""Where in the config a flag's value goes."""


def _size(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """Read ``HxW``."""
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
            ModelError,
            DataError,
            CheckpointError,
            WeightsError,
            OutputError,
            ManifestError,
            TrainingError,
            interrupted="interrupted; --resume goes on where it stopped",
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
    help="manifest.csv of a built set. With --resume: where it is now, if it was moved.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the run to write: new or empty."
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    help="Folder of a run to go on with, instead of --out; it ends as if it had never stopped.",
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
    help="The paper's, or one for small machines.  [default: resnet50]",
)
@click.option(
    "--init",
    metavar="random|imagenet|PATH",
    help="The backbone's weights: torchvision's ImageNet ones (downloaded once), or a local "
    ".pth or .safetensors state dict.  [default: random]",
)
@click.option(
    "--size", metavar="HxW", callback=_size, help="Pixels of the input.  [default: 256x128]"
)
@click.option(
    "--identities",
    metavar="P",
    type=click.IntRange(min=1),
    help="Identities in a batch.  [default: 8]",
)
@click.option(
    "--images",
    metavar="K",
    type=click.IntRange(min=1),
    help="Images of each of them.  [default: 12]",
)
@click.option(
    "--mixing",
    type=click.Choice(["one-version", "any"]),
    help="one-version keeps an image and its own copy out of one batch while the identity has K "
    "source images; any does not care.  "
    "[default: one-version]",
)
@click.option("--epochs", metavar="N", type=click.IntRange(min=1), help="[default: 100]")
@click.option("--steps", metavar="N", type=click.IntRange(min=1), help="Batches, not epochs.")
@click.option(
    "--learning-rate",
    metavar="X",
    type=click.FloatRange(min=0, min_open=True),
    help="At the start.  [default: 0.00035]",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32"]),
    help="auto is bf16 where the hardware has it.  [default: auto]",
)
@click.option(
    "--compile/--no-compile", "compiled", default=None, help="Use torch.compile.  [default: no]"
)
@click.option(
    "--evaluate-every",
    metavar="N",
    type=click.IntRange(min=0),
    help="Epochs between evaluations; 0 for the end only.  [default: 10]",
)
@click.option("--seed", metavar="N", type=click.IntRange(min=0), help="[default: 0]")
@click.option(
    "--keep",
    "keeping",
    type=click.Choice(["auto", "memory", "files"]),
    default="auto",
    show_default=True,
    help="Images: decoded once and kept in memory (a GPU's, if there is room), or read again in "
    "every epoch. Does not change the result.",
)
@device_option
def train(
    manifest: Path | None,
    out: Path | None,
    resume: Path | None,
    config_file: Path | None,
    keeping: Literal["auto", "memory", "files"],
    device: str,
    **flags: object,
) -> int:
    """Train VisNet on a built set and evaluate it on the set's query and gallery.

    The run's folder gets config.yaml, metrics.jsonl, TensorBoard's log, last.pt after every
    epoch, best.pt by mAP, and curves.png. Ctrl-C saves and leaves; --resume goes on.
    """
    from visnet_aug.hardware import choose_device
    from visnet_model.training.console import ConsoleObserver
    from visnet_model.training.distributed import join
    from visnet_model.training.run import Interrupted, new_run, resumed_run
    from visnet_model.training.run import train as run_training

    given = {name: value for name, value in flags.items() if value is not None}
    described: Run
    if resume is not None:
        _refuse_beside_resume(out, config_file, given)
        described = resumed_run(resume, manifest, keeping)
    else:
        if manifest is None or out is None:
            raise click.UsageError("Give --manifest and --out, or --resume.")
        described = new_run(_config(config_file, given), manifest, out, keeping)
    observer = ConsoleObserver()
    try:
        with join(choose_device(device)) as ranks:
            trained = run_training(described, ranks, observer)
    except Interrupted:
        if ranks.is_first:
            click.echo(f"stopped; go on with: {NAME} --resume {described.out}", err=True)
        return INTERRUPTED
    finally:
        observer.close()
    if ranks.is_first:
        click.echo(f"{described.out}: {len(trained.results)} evaluations, {trained.step:,} steps")
    return 0


def _refuse_beside_resume(
    out: Path | None, config_file: Path | None, given: dict[str, object]
) -> None:
    """A resumed run is the same run: what it trains is in its checkpoint."""
    names = [f"--{name.replace('_', '-').replace('compiled', 'compile')}" for name in given]
    names += [name for name, value in (("--out", out), ("--config", config_file)) if value]
    if names:
        raise click.UsageError(
            f"{', '.join(names)} cannot be changed by --resume; start a new run with --out."
        )


def _config(path: Path | None, flags: dict[str, object]) -> TrainConfig:
    """Load a config, or take the default one, and change what flags say."""
    from visnet_aug.pipeline_file import replace_settings
    from visnet_model.config import TrainConfig, load_config

    if {"epochs", "steps"} <= set(flags):
        raise click.UsageError("Give --epochs or --steps, not both.")
    config = load_config(path) if path else TrainConfig()
    changes: dict[str, Any] = config.model_dump()
    if "epochs" in flags:
        changes["optimisation"]["steps"] = None  # of the file; it would go before epochs
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
    run(train, NAME)


if __name__ == "__main__":
    main()
