"""The commands that show: ``inspect``."""

from __future__ import annotations

from pathlib import Path

import click

from visnet_aug.command import as_it_is


@click.command(
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
