"""The commands that check what was built: ``verify`` and ``replay``."""

from __future__ import annotations

from pathlib import Path

import click

from visnet_aug.cli.options import WORKERS
from visnet_aug.command import CHECK_FAILED, as_it_is, exit_codes
from visnet_aug.errors import DatasetError, ManifestError, OutputError, WorkerError

_SOURCE = click.option(
    "--src",
    "source",
    type=click.Path(path_type=Path),
    help="Folder of the source dataset: needed only for sets without their originals (the "
    "published composition).",
)


@click.command(
    short_help="Check a build against its own tables.",
    epilog="\n\n".join(
        (
            as_it_is(
                "Examples:",
                "visnet-aug verify aug",
                "visnet-aug verify aug --quick",
                "visnet-aug verify aug --json > verdict.json",
            ),
            exit_codes(
                DatasetError,
                OutputError,
                ManifestError,
                WorkerError,
                check_failed="something is wrong; the report says what",
            ),
        )
    ),
)
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--quick", is_flag=True, help="Compare checksums, but decode nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, complete.")
@_SOURCE
@WORKERS
@click.pass_context
def verify(
    context: click.Context,
    out: Path,
    quick: bool,
    as_json: bool,
    source: Path | None,
    workers: int | None,
) -> None:
    """Check the build or probe in OUT against its own tables; nothing is written.

    Every row has a file with its checksum, size and pixels, and every file has a row; counts,
    copies and families are as planned; no test identity is in training; masks are those that were
    used; people are as in their sources. Near-duplicates between splits (64-bit difference hashes
    that differ in at most 6 bits) are reported, which is not an error in itself.
    """
    import json

    from visnet_aug import progress
    from visnet_aug.verification import verify as verification

    verdict = verification.verify(
        out, source=source, quick=quick, workers=workers, stage=progress.stage
    )
    if as_json:
        click.echo(json.dumps(verdict.as_json(), indent=2))
    else:
        for line in verdict.lines():
            click.echo(line)
    context.exit(0 if verdict.sound else CHECK_FAILED)


@click.command(
    short_help="Render copies again from their records, or variations of them.",
    epilog="\n\n".join(
        (
            as_it_is(
                "Examples:",
                "visnet-aug replay aug 0002_c1s1_000451_03_1_noise",
                "visnet-aug replay aug '0002_*'",
                "visnet-aug replay aug 0002_c1s1_000451_03 --to again",
                "visnet-aug replay aug 0002_c1s1_000451_03 --to tries --family blur --intensity 1",
            ),
            exit_codes(
                DatasetError,
                OutputError,
                ManifestError,
                check_failed="the bytes differ from the file or its checksum",
            ),
        )
    ),
)
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@_SOURCE
@click.option("--to", type=click.Path(path_type=Path), help="Folder to write the images to.")
@click.option("--family", metavar="NAME", help="Another family: a variation.")
@click.option(
    "--intensity", metavar="S", type=click.FloatRange(0, 1), help="Another strength: a variation."
)
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(0, 2**64 - 1),
    help="Other draws, the variant's included: a variation.",
)
@click.pass_context
def replay(
    context: click.Context,
    out: Path,
    names: tuple[str, ...],
    source: Path | None,
    to: Path | None,
    family: str | None,
    intensity: float | None,
    seed: int | None,
) -> None:
    """Render copies of the build or probe in OUT again, from their records alone.

    Prints for each copy whether its bytes agree with the file and with its checksum in the
    manifest. NAME is a path in the manifest, a file's name or its stem, or a pattern of these; a
    source's name stands for all of its copies.
    """
    from visnet_aug.backgrounds.loading import load_albumentations

    load_albumentations(torch=False)
    from visnet_aug import reproduction

    variation = reproduction.Variation(family, intensity, seed)
    if variation and to is None:
        raise click.UsageError("--family, --intensity and --seed make variations: give --to, too.")
    agree = True
    for replayed in reproduction.replay(out, names, source=source, to=to, variation=variation):
        agree = agree and replayed.agrees
        click.echo(replayed.line())
    context.exit(0 if agree else CHECK_FAILED)
