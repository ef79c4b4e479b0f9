"""The group of all commands, and those that need no dataset: ``draw`` and ``doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from visnet_aug import __version__
from visnet_aug.cli.audit import replay, verify
from visnet_aug.cli.build import build, mask, probe
from visnet_aug.cli.look import inspect, preview
from visnet_aug.cli.options import WORKERS
from visnet_aug.cli.recipe import recipe
from visnet_aug.command import CHECK_FAILED, CONTEXT, as_it_is, completion, exit_codes, run
from visnet_aug.errors import (
    DatasetError,
    EngineError,
    ManifestError,
    OutputError,
    PlanError,
    WeightsError,
    WorkerError,
)

_EXIT_CODES = exit_codes(
    DatasetError,
    PlanError,
    WeightsError,
    OutputError,
    ManifestError,
    WorkerError,
    EngineError,
    check_failed="doctor, verify or replay found something wrong",
    interrupted="interrupted; build, probe and mask resume if run again",
)


@click.group(
    invoke_without_command=True,
    context_settings=CONTEXT,
    epilog="\n\n".join(
        (
            as_it_is(
                "Try it without any data:",
                "visnet-aug draw --out drawn",
                "visnet-aug build --src drawn --out aug",
                "visnet-aug inspect aug",
                "visnet-aug verify aug",
            ),
            _EXIT_CODES,
            completion("visnet-aug"),
        )
    ),
)
@click.version_option(__version__, prog_name="visnet-aug")
@click.pass_context
def cli(context: click.Context) -> None:
    """Build training sets for person re-identification by rewriting backgrounds.

    People are left untouched to the pixel, and a manifest records how each image was made.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@cli.command(
    short_help="Draw a dataset of made-up people.",
    epilog="\n\n".join(
        (
            as_it_is(
                "Examples:",
                "visnet-aug draw --out drawn",
                "visnet-aug draw --out drawn --like market1501",
            ),
            exit_codes(OutputError, WorkerError, interrupted="interrupted; nothing is left behind"),
        )
    ),
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder to write, new or empty."
)
@click.option(
    "--identities",
    metavar="N",
    type=click.IntRange(min=4),
    default=24,
    show_default=True,
    help="People, half of them for training.",
)
@click.option(
    "--like",
    type=click.Choice(["market1501"]),
    help="The real set's exact counts instead: 36,036 images of 1,501 people.",
)
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Which people, cameras and moments.",
)
@WORKERS
def draw(
    out: Path,
    identities: int,
    like: Literal["market1501"] | None,
    seed: int,
    workers: int | None,
) -> None:
    """Draw a dataset of made-up pedestrians in Market-1501's layout, with their true masks.

    Use it to try the other commands; the same options give the same bytes.
    """
    from visnet_aug.datasets.drawn.dataset import draw_dataset
    from visnet_aug.progress import stage

    with stage("draw") as advance:
        draw_dataset(
            out, identities=identities, like=like, seed=seed, workers=workers, progress=advance
        )


@cli.command(
    short_help="Check this installation.",
    epilog="\n\n".join(
        (as_it_is("Example:", "visnet-aug doctor"), exit_codes(check_failed="something is wrong"))
    ),
)
@click.option(
    "--weights",
    metavar="builtin|PATH|NAME",
    default="builtin",
    show_default=True,
    help="Segmenter weights to look at.",
)
@click.pass_context
def doctor(context: click.Context, weights: str) -> None:
    """Print versions, devices, the OpenCV in use and the weights; say what is wrong."""
    from visnet_aug.console import show_findings
    from visnet_aug.doctor import run_doctor

    context.exit(0 if show_findings(run_doctor(weights)) else CHECK_FAILED)


for command in (recipe, preview, build, mask, probe, inspect, verify, replay):
    cli.add_command(command)


def main() -> None:
    """Run the command line; the console script's entry point."""
    run(cli, "visnet-aug")
