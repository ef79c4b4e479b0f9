"""The commands that judge what was built, ``verify`` and ``replay``."""

from __future__ import annotations

from pathlib import Path

import click

from visnet_aug.cli.options import WORKERS
from visnet_aug.command import as_it_is, exit_codes
from visnet_aug.errors import DatasetError, ManifestError, OutputError, WorkerError

_SOURCE = click.option(
    "--src",
    "source",
    type=click.Path(path_type=Path),
    help="Folder of the source dataset: needed for sets without their originals (the published "
    "composition), and read for nothing else.",
)


@click.command(
    short_help="Find out whether a build still says the truth.",
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
                one="something is wrong; the report says what",
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

    Every row has its file with its checksum, size and pixels, every file its row; counts, copies
    and families are as planned; nobody who is tested is trained on; masks are those that were
    used; people are as in their sources. Near-duplicates between splits are reported, which is
    not by itself wrong: 64-bit difference hashes that differ in at most 6 bits.
    """
    import json

    from visnet_aug import progress
    from visnet_aug.verification.verify import verify as run

    verdict = run(out, source=source, quick=quick, workers=workers, stage=progress.stage)
    if as_json:
        click.echo(json.dumps(verdict.as_json(), indent=2))
    else:
        for line in verdict.lines():
            click.echo(line)
    context.exit(0 if verdict.sound else 1)


@click.command(
    short_help="Make copies again from their records, or variations of them.",
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
                one="the bytes do not agree with the file or its checksum",
            ),
        )
    ),
)
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@_SOURCE
@click.option("--to", type=click.Path(path_type=Path), help="Folder to write what is made to.")
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

    Says of each whether its bytes agree with the file and its checksum in the manifest. NAME is a
    path in the manifest, a file's name or its stem, or a pattern of these; that of a source stands
    for all of its copies.
    """
    from visnet_aug.backgrounds.loading import load_albumentations

    load_albumentations(torch=False)
    from visnet_aug.reproduction import Replayer, Variation, check_target

    variation = Variation(family, intensity, seed)
    if to is not None:
        check_target(out, to)
    elif variation:
        raise click.UsageError("--family, --intensity and --seed make variations: give --to, too.")
    replayer = Replayer(out, source)
    agree = True
    for row in replayer.find(names):
        if variation and to is not None:
            made = replayer.vary(row, variation, to)
        else:
            made = replayer.replay(row, to)
        agree = agree and made.agrees
        click.echo(made.line())
    context.exit(0 if agree else 1)
