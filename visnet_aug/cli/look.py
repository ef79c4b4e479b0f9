"""The commands that show: ``inspect`` and ``preview``."""

from __future__ import annotations

from pathlib import Path

import click

from visnet_aug.cli.options import DEVICE, RECIPE, SEED, WEIGHTS, WORKERS, make_recipe
from visnet_aug.command import as_it_is, exit_codes
from visnet_aug.errors import (
    DatasetError,
    ManifestError,
    OutputError,
    WeightsError,
    WorkerError,
)


@click.command(
    short_help="Write a page that shows a build.",
    epilog="\n\n".join(
        (
            as_it_is(
                "Examples:",
                "visnet-aug inspect aug --open",
                "visnet-aug inspect aug --sample 5000",
            ),
            exit_codes(OutputError, ManifestError, WorkerError),
        )
    ),
)
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--open", "open_it", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--sample",
    metavar="N",
    type=click.IntRange(min=1),
    help="Show only N source images, spread over identities and cameras, each with all of its "
    "copies: for sets too large for a browser. Counts stay those of the whole set.  [default: all]",
)
@WORKERS
def inspect(out: Path, open_it: bool, sample: int | None, workers: int | None) -> None:
    """Write OUT/report/index.html, a page about the build or probe in OUT.

    It shows every image beside its source, with its mask, its record and the command that renders
    it again, to filter and search; contact sheets of all variants, from weak to strong; masks; what
    was rejected, and why; distributions and image statistics; recipe, versions, timings and
    checksums. It needs no server and no network, and links to the images in OUT.
    """
    import webbrowser

    from visnet_aug import progress
    from visnet_aug.report.site import write_report

    page = write_report(out, sample=sample, workers=workers, stage=progress.stage)
    click.echo(page)
    if open_it and not webbrowser.open(page.resolve().as_uri()):
        click.echo("no browser could be opened; open the page by hand", err=True)


@click.command(
    short_help="Try backgrounds on any pictures.",
    epilog="\n\n".join(
        (
            as_it_is(
                "Examples:",
                "visnet-aug preview crop.jpg --to tries.png",
                "visnet-aug preview a.jpg b.jpg --intensity 1 --to tries.png",
                "visnet-aug preview crop.jpg --grid --to tries.png",
                "visnet-aug preview crop.jpg --grid --family pattern --to tries.png",
            ),
            exit_codes(DatasetError, WeightsError, OutputError),
        )
    ),
)
@click.argument(
    "images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--to",
    metavar="FILE.png",
    required=True,
    type=click.Path(path_type=Path),
    help="File to write, as PNG; replaced if it is there.",
)
@click.option(
    "--family", metavar="NAME", help="This family alone.  [default: all that the recipe enables]"
)
@click.option(
    "--intensity",
    metavar="S",
    type=click.FloatRange(0, 1),
    help="Strength of all of them.  [default: drawn, as in a build]",
)
@click.option(
    "--grid",
    is_flag=True,
    help="A table for each picture: a row for each family, or with --family for each of its "
    "variants, from weak to strong.",
)
@RECIPE
@SEED
@WEIGHTS
@DEVICE
def preview(
    images: tuple[Path, ...],
    to: Path,
    family: str | None,
    intensity: float | None,
    grid: bool,
    recipe_file: Path | None,
    device: str,
    **changes: object,
) -> None:
    """Find the person in each IMAGE, and show it with backgrounds of each family.

    Takes JPEGs and PNGs of people, of any size; nothing is built. Where a build would make no
    copies of a picture, the sheet says why. Terminals that can show images, such as kitty, iTerm2
    and others with sixels, show it, too: pip install 'visnet[terminal]'.
    """
    from visnet_aug.backgrounds.loading import load_albumentations

    if to.suffix.lower() != ".png":
        raise click.UsageError(f"--to {to}: a sheet is a PNG; give it a name that says so.")
    if grid and intensity is not None:
        raise click.UsageError("--grid shows all intensities: leave --intensity out.")
    load_albumentations(torch=False)
    from visnet_aug.previews.preview import preview as run
    from visnet_aug.previews.terminal import show

    made = run(
        images,
        to,
        make_recipe(recipe_file, changes),
        family=family,
        intensity=intensity,
        grid=grid,
        device=device,
    )
    show(made.sheet)
    for line in made.lines():
        click.echo(line)
    click.echo(to)
