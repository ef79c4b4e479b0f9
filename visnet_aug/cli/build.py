"""The commands that make sets and masks: ``build``, ``mask`` and ``probe``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from visnet_aug.cli.options import (
    DATASET,
    DEVICE,
    ENGINES,
    FORCE,
    ON_ERROR,
    PASSTHROUGH,
    SEED,
    SHARDS,
    WEIGHTS,
    choose_engine,
    make_recipe,
)
from visnet_aug.command import RESUMED, Resumable, as_it_is, exit_codes
from visnet_aug.errors import (
    DatasetError,
    EngineError,
    ManifestError,
    OutputError,
    PlanError,
    VisnetError,
    WeightsError,
    WorkerError,
)

if TYPE_CHECKING:
    from visnet_aug.builder.passthrough import Passthrough

_MASKING = (DatasetError, WeightsError, OutputError, ManifestError, WorkerError, EngineError)
"""What making masks can end with."""


def _epilog(errors: Sequence[type[VisnetError]], *examples: str) -> str:
    codes = exit_codes(*errors, interrupted=RESUMED)
    return f"{as_it_is('Examples:', *examples)}\n\n{codes}"


@click.command(
    cls=Resumable,
    short_help="Build an augmented set.",
    epilog=_epilog(
        (*_MASKING, PlanError),
        "visnet-aug build --src Market-1501 --out aug",
        "visnet-aug build --src Market-1501 --out aug --images 60000 --seed 7",
        "visnet-aug build --src Market-1501 --out aug --recipe market1501-published",
        "visnet-aug build --src Market-1501 --out aug --dry-run",
        "visnet-aug build --src MSMT17_V1 --out aug",
        "visnet-aug build --src MSMT17_V1 --out aug --shards 64",
        "visnet-aug build --src crops --out aug --table crops/labels.csv",
        r"visnet-aug build --src crops --out aug --pattern '(?P<pid>\d+)/cam(?P<camid>\d+)_.*'",
    ),
)
@DATASET
@click.option(
    "--images",
    metavar="auto|N",
    help="Total of the whole set: train, query and gallery. auto scales the training images by "
    "the published 19,772 / 12,936: Market-1501 gives 42,872.  [default: auto]",
)
@SEED
@WEIGHTS
@DEVICE
@ENGINES
@click.option(
    "--encoding",
    metavar="match|jpeg:Q|png",
    help="Files of the copies: JPEG or PNG as their sources (match), JPEG of quality Q (1 to 100), "
    "or PNG.  [default: match]",
)
@ON_ERROR
@PASSTHROUGH
@SHARDS
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what would be made; compute, download and write nothing.",
)
@click.option(
    "--parquet",
    is_flag=True,
    help="Write the manifest as manifest.parquet, too, its columns typed. A finished build gets it "
    "at once: nothing else is made again.",
)
@FORCE
def build(
    source: Path,
    out: Path,
    recipe_file: Path | None,
    device: str,
    workers: int | None,
    engine: str,
    ray_address: str | None,
    on_error: Literal["skip", "stop"],
    passthrough: Passthrough,
    shards: int | None,
    dry_run: bool,
    parquet: bool,
    force: bool,
    **changes: object,
) -> None:
    """Build an augmented set: find each person, rewrite the background, write a manifest.

    Options override the recipe. Interrupted or killed, the same command goes on where it stopped
    and ends with the same bytes. To mend masks by hand, run mask into the same folder first; for
    masks mended after a build, run it again with --force.
    """
    from visnet_aug.builder import build as conductor
    from visnet_aug.console import ConsoleObserver

    recipe = make_recipe(recipe_file, changes)
    options = conductor.Options(device, workers, on_error, passthrough, shards, force, parquet)
    observer = ConsoleObserver()
    engines = choose_engine(engine, ray_address)
    if dry_run:
        observer.would_build(conductor.dry_run(source, out, recipe, options, observer=observer))
        return
    result = conductor.build(
        source, out, recipe, options, engine_factory=engines, observer=observer
    )
    observer.built(result, out)


@click.command(
    cls=Resumable,
    short_help="Make the masks alone, to be mended before a build.",
    epilog=_epilog(_MASKING, "visnet-aug mask --src Market-1501 --out aug"),
)
@DATASET
@WEIGHTS
@DEVICE
@ENGINES
@ON_ERROR
def mask(
    source: Path,
    out: Path,
    recipe_file: Path | None,
    device: str,
    workers: int | None,
    engine: str,
    ray_address: str | None,
    on_error: Literal["skip", "stop"],
    **changes: object,
) -> None:
    """Find the person in every training image and write masks/ and masks.csv.

    A build into the same folder then uses these masks. Mend one by painting in
    masks/<image>.png: white is the person, all black means no copies. Delete it to have it made
    again.
    """
    from visnet_aug.builder import build as conductor
    from visnet_aug.console import ConsoleObserver

    recipe = make_recipe(recipe_file, changes)
    options = conductor.Options(device, workers, on_error)
    observer = ConsoleObserver()
    engines = choose_engine(engine, ray_address)
    observer.masked(
        conductor.make_masks(
            source, out, recipe, options, engine_factory=engines, observer=observer
        )
    )


@click.command(
    cls=Resumable,
    short_help="Make test sets with other backgrounds, to measure how much they matter.",
    epilog=_epilog(
        (*_MASKING, PlanError),
        "visnet-aug probe --src Market-1501 --out probe",
        "visnet-aug probe --src Market-1501 --out probe --families blur,pattern --sample 100",
    ),
)
@DATASET
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
@ENGINES
@ON_ERROR
@PASSTHROUGH
@SHARDS
@FORCE
def probe(
    source: Path,
    out: Path,
    recipe_file: Path | None,
    families: tuple[str, ...],
    sample: int | None,
    device: str,
    workers: int | None,
    engine: str,
    ray_address: str | None,
    on_error: Literal["skip", "stop"],
    passthrough: Passthrough,
    shards: int | None,
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
    from visnet_aug.builder import build as conductor
    from visnet_aug.builder.probe import Probe, probe_recipe
    from visnet_aug.console import ConsoleObserver

    names = [name for given in families for name in given.split(",")]
    recipe = probe_recipe(make_recipe(recipe_file, changes), names)
    options = conductor.Options(device, workers, on_error, passthrough, shards, force)
    observer = ConsoleObserver()
    result = conductor.build(
        source,
        out,
        recipe,
        options,
        product=Probe(sample),
        engine_factory=choose_engine(engine, ray_address),
        observer=observer,
    )
    observer.built(result, out)
