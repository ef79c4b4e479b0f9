"""``visnet-aug``: parse, make a recipe, call one function, turn errors into exit codes.

Only click is imported at the top: help must come at once, and a command imports what it needs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from visnet_aug import __version__
from visnet_aug.audit import replay, verify
from visnet_aug.command import CONTEXT, as_it_is, completion, run
from visnet_aug.options import (
    DEVICE,
    FORCE,
    ON_ERROR,
    OUT,
    PASSTHROUGH,
    RECIPE,
    SEED,
    SOURCE,
    WEIGHTS,
    WORKERS,
)

if TYPE_CHECKING:
    from visnet_aug.build.passthrough import Passthrough
    from visnet_aug.recipe import Recipe

_EXIT_CODES = as_it_is(
    "Exit codes:",
    "0    done",
    "1    doctor or verify found something wrong, or replay other bytes",
    "2    unusable arguments or recipe",
    "3    unusable source dataset, or an unusable image with --on-error stop",
    "4    the number of images, or of identities of a probe, cannot be made",
    "5    unusable segmenter weights",
    "6    the output folder cannot be used, or holds another build or probe",
    "7    a damaged manifest",
    "8    a worker process died, most often for want of memory",
    "130  interrupted; build, probe and mask go on where they stopped if run again",
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
    short_help="Build an augmented set.",
    epilog=as_it_is(
        "Examples:",
        "visnet-aug build --src Market-1501 --out aug",
        "visnet-aug build --src Market-1501 --out aug --images 60000 --seed 7",
        "visnet-aug build --src Market-1501 --out aug --recipe pipelines/market1501-published.yaml",
        "visnet-aug build --src Market-1501 --out aug --dry-run",
    ),
)
@SOURCE
@OUT
@RECIPE
@click.option(
    "--images",
    metavar="auto|N",
    help="Total of the whole set: train, query and gallery. auto scales the training images by "
    "the published 19,772 / 12,936: Market-1501 gives 42,872.  [default: auto]",
)
@SEED
@WEIGHTS
@DEVICE
@WORKERS
@click.option(
    "--encoding",
    metavar="match|jpeg:Q|png",
    help="Files of the copies: JPEG or PNG as their sources (match), JPEG of quality Q (1 to 100), "
    "or PNG.  [default: match]",
)
@ON_ERROR
@PASSTHROUGH
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be made; compute, download and write nothing.",
)
@FORCE
def build(
    source: Path,
    out: Path,
    recipe_file: Path | None,
    device: str,
    workers: int | None,
    on_error: Literal["skip", "stop"],
    passthrough: Passthrough,
    dry_run: bool,
    force: bool,
    **changes: object,
) -> None:
    """Build an augmented set: find each person, rewrite the background, write a manifest.

    Options override the recipe. Interrupted or killed, the same command goes on where it stopped
    and ends with the same bytes. To mend masks by hand, run mask into the same folder first; for
    masks mended after a build, run it again with --force.
    """
    from visnet_aug.build import build as conductor
    from visnet_aug.console import ConsoleObserver

    recipe = _recipe(recipe_file, changes)
    options = conductor.Options(device, workers, on_error, passthrough, force)
    observer = ConsoleObserver()
    if dry_run:
        observer.previewed(conductor.preview(source, out, recipe, options, observer=observer))
    else:
        observer.built(conductor.build(source, out, recipe, options, observer=observer), out)


@cli.command(
    short_help="Make the masks alone, to be mended before a build.",
    epilog=as_it_is("Example:", "visnet-aug mask --src Market-1501 --out aug"),
)
@SOURCE
@OUT
@RECIPE
@WEIGHTS
@DEVICE
@ON_ERROR
def mask(
    source: Path,
    out: Path,
    recipe_file: Path | None,
    device: str,
    on_error: Literal["skip", "stop"],
    **changes: object,
) -> None:
    """Find the person in every training image and write masks/ and masks.csv.

    A build into the same folder then uses these masks. Mend one by painting in
    masks/<image>.png: white is the person, all black means no copies. Delete it to have it made
    again.
    """
    from visnet_aug.build import build as conductor
    from visnet_aug.console import ConsoleObserver

    recipe = _recipe(recipe_file, changes)
    options = conductor.Options(device=device, on_error=on_error)
    observer = ConsoleObserver()
    observer.masked(conductor.make_masks(source, out, recipe, options, observer=observer))


@cli.command(
    short_help="Make test sets with other backgrounds, to measure how much they matter.",
    epilog=as_it_is(
        "Examples:",
        "visnet-aug probe --src Market-1501 --out probe",
        "visnet-aug probe --src Market-1501 --out probe --families blur,pattern --sample 100",
    ),
)
@SOURCE
@OUT
@RECIPE
@click.option(
    "--families",
    metavar="A,B,...",
    multiple=True,
    help="Families to make a version of; may be repeated.  [default: all that the recipe enables]",
)
@click.option(
    "--sample",
    metavar="N",
    type=click.IntRange(min=1),
    help="A smaller probe: N identities of the query, drawn by the seed, with all of their query "
    "and gallery images, and as large a share of the distractors.  [default: everybody]",
)
@SEED
@WEIGHTS
@DEVICE
@WORKERS
@ON_ERROR
@PASSTHROUGH
@FORCE
def probe(
    source: Path,
    out: Path,
    recipe_file: Path | None,
    families: tuple[str, ...],
    sample: int | None,
    device: str,
    workers: int | None,
    on_error: Literal["skip", "stop"],
    passthrough: Passthrough,
    force: bool,
    **changes: object,
) -> None:
    """Write query and gallery as they are and, for each family, with rewritten backgrounds.

    visnet-eval measures on these versions how much a network looks at backgrounds. They are
    test images: never train on them.

    Of the recipe, the families, masks, encoding and seed are used. Junk is left out, because
    evaluation ignores it; an image without a usable mask has no versions and stands in for
    itself. Interrupted or killed, the same command goes on where it stopped.
    """
    from visnet_aug.build import build as conductor
    from visnet_aug.build.probe import Probe, probe_recipe
    from visnet_aug.console import ConsoleObserver

    names = [name for given in families for name in given.split(",")]
    recipe = probe_recipe(_recipe(recipe_file, changes), names)
    options = conductor.Options(device, workers, on_error, passthrough, force)
    observer = ConsoleObserver()
    result = conductor.build(source, out, recipe, options, product=Probe(sample), observer=observer)
    observer.built(result, out)


@cli.command(
    short_help="Draw contact sheets of a build.",
    epilog=as_it_is("Example:", "visnet-aug inspect aug"),
)
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--samples",
    metavar="N",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="Pairs of source and copy for each technique.",
)
def inspect(out: Path, samples: int) -> None:
    """Draw contact sheets of the build or probe in OUT, as PNG files in OUT/report.

    They show source beside copy for each family and technique, masks over their images, and the
    images without a usable mask by reason.
    """
    from visnet_aug.report.sheets import write_sheets

    for path in write_sheets(out, samples=samples):
        click.echo(path)


@cli.command(
    short_help="Draw a dataset of made-up people.",
    epilog=as_it_is(
        "Examples:",
        "visnet-aug draw --out drawn",
        "visnet-aug draw --out drawn --like market1501",
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

    It is there to try the other commands on; the same options give the same bytes.
    """
    from visnet_aug.console import ConsoleObserver
    from visnet_aug.datasets.drawn.dataset import draw_dataset

    with ConsoleObserver().stage("draw") as advance:
        draw_dataset(
            out, identities=identities, like=like, seed=seed, workers=workers, progress=advance
        )


@cli.command(
    short_help="Check this installation.", epilog=as_it_is("Example:", "visnet-aug doctor")
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
    """Print versions, devices, which OpenCV it is, and the weights; say what is wrong."""
    from visnet_aug.console import show_findings
    from visnet_aug.doctor import run_doctor

    context.exit(0 if show_findings(run_doctor(weights)) else 1)


cli.add_command(verify)
cli.add_command(replay)


def main() -> None:
    """Run the command line; the console script's entry point."""
    run(cli, "visnet-aug", "interrupted; the same command goes on where it stopped")


def _recipe(path: Path | None, changes: dict[str, Any]) -> Recipe:
    """Load a recipe, or take the default one, and change what options say."""
    from visnet_aug.recipe import Recipe, load_recipe

    recipe = load_recipe(path) if path else Recipe()
    return recipe.replace(**{key: value for key, value in changes.items() if value is not None})
