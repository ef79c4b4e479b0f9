"""The commands that show: ``inspect``."""

from __future__ import annotations

from pathlib import Path

import click

from visnet_aug.cli.options import WORKERS
from visnet_aug.command import as_it_is


@click.command(
    short_help="Make a page to look at a build.",
    epilog="\n\n".join(
        (
            as_it_is(
                "Examples:",
                "visnet-aug inspect aug --open",
                "visnet-aug inspect aug --sample 5000",
            ),
            as_it_is(
                "Exit codes:",
                "0    the page is there",
                "6    OUT holds no finished build or probe, or the page cannot be written",
                "7    the manifest is damaged",
                "8    a worker process died",
            ),
        )
    ),
)
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--open", "open_it", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--sample",
    metavar="N",
    type=click.IntRange(min=1),
    help="Show N source images one by one, with all copies of each, spread over identities and "
    "cameras: for sets too large for a browser. Counts stay the whole set's.  [default: all]",
)
@WORKERS
def inspect(out: Path, open_it: bool, sample: int | None, workers: int | None) -> None:
    """Write OUT/report/index.html, a page about the build or probe in OUT.

    It shows every image beside its source, with mask, record and the command that makes it again,
    to be filtered and searched; contact sheets of all techniques, from weak to strong; masks; what
    was rejected, and why; distributions and image statistics; recipe, versions and checksums. It
    needs no server and no network, and links to the images in OUT.
    """
    import webbrowser

    from visnet_aug import progress
    from visnet_aug.report.site import write_report

    page = write_report(out, sample=sample, workers=workers, stage=progress.stage)
    click.echo(page)
    if open_it and not webbrowser.open(page.resolve().as_uri()):
        click.echo("no browser could be opened; open the page by hand", err=True)
