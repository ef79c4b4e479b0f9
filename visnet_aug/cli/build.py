"""The commands that make sets and masks: ``build``, ``mask`` and ``probe``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
    from visnet_aug.builder.engine import Passthrough
    from visnet_aug.masks.interchange import MaskFormat

_MASKING = (DatasetError, WeightsError, OutputError, ManifestError, WorkerError, EngineError)
"""Errors that making masks can raise."""


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
    help="Show what would be made; compute, download and write nothing.",
)
@click.option(
    "--parquet",
    is_flag=True,
    help="Also write manifest.parquet, the manifest with typed columns. A finished build gets it "
    "without rebuilding anything.",
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

    Options override the recipe. If the build is interrupted or killed, the same command resumes it
    and ends with the same bytes. To edit masks by hand, run mask into the same folder first; for
    masks edited after a build, run it again with --force.
    """
    from visnet_aug.builder import build as building
    from visnet_aug.console import ConsoleObserver

    observer = ConsoleObserver()
    options: dict[str, Any] = {
        "recipe": make_recipe(recipe_file, changes),
        "device": device,
        "workers": workers,
        "on_error": on_error,
        "passthrough": passthrough,
        "shards": shards,
        "force": force,
        "observer": observer,
    }
    engines = choose_engine(engine, ray_address)
    if dry_run:
        observer.would_build(building.dry_run(source, out, **options))
    else:
        result = building.build(source, out, parquet=parquet, engine=engines, **options)
        observer.built(result, out)


@click.command(
    cls=Resumable,
    short_help="Compute the masks alone, to edit them before a build.",
    epilog=_epilog(
        _MASKING,
        "visnet-aug mask --src Market-1501 --out aug",
        "visnet-aug mask --src crops --out aug --export coco --to for-cvat",
        "visnet-aug mask --src crops --out aug --from cvat/instances.json",
    ),
)
@DATASET
@click.option(
    "--from",
    "masks_from",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Masks that another tool made: a folder of PNG masks or YOLO segmentation labels, named "
    "as the images, or a COCO JSON file. The segmenter computes those that are missing.",
)
@click.option(
    "--export",
    type=click.Choice(["coco", "yolo", "png", "boxmot"]),
    help="Also write the accepted masks to --to, for correction in an annotation tool or for "
    "another trainer; bring them back with --from.",
)
@click.option(
    "--to", metavar="DIR", type=click.Path(path_type=Path), help="New or empty folder for --export."
)
@WEIGHTS
@DEVICE
@ENGINES
@ON_ERROR
def mask(
    source: Path,
    out: Path,
    recipe_file: Path | None,
    masks_from: Path | None,
    export: MaskFormat | None,
    to: Path | None,
    device: str,
    workers: int | None,
    engine: str,
    ray_address: str | None,
    on_error: Literal["skip", "stop"],
    **changes: object,
) -> None:
    """Find the person in every training image and write masks/ and masks.csv.

    A build into the same folder then uses these masks. To edit one, paint in masks/<image>.png:
    white is the person, all black means no copies. Delete it to compute it again. A file that you
    edited is never overwritten.
    """
    if (export is None) != (to is None):
        raise click.UsageError("Give --export and --to together.")
    from visnet_aug.builder.build import make_masks
    from visnet_aug.console import ConsoleObserver

    observer = ConsoleObserver()
    masks = make_masks(
        source,
        out,
        recipe=make_recipe(recipe_file, changes),
        masks_from=masks_from,
        export=export,
        export_to=to,
        device=device,
        workers=workers,
        on_error=on_error,
        engine=choose_engine(engine, ray_address),
        observer=observer,
    )
    observer.masked(masks)


@click.command(
    cls=Resumable,
    short_help="Build test sets with other backgrounds, to measure how much backgrounds matter.",
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
    "and gallery images, and the same share of the distractors.  [default: all identities]",
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

    visnet-eval measures with these versions how much a network relies on backgrounds. They are
    test images: never train on them.

    The recipe's families, masks, encoding and seed are used. Junk is left out, because evaluation
    ignores it; an image without a usable mask has no versions and is used untouched. If the
    command is interrupted or killed, the same command resumes it.
    """
    from visnet_aug.builder.build import build_probe
    from visnet_aug.console import ConsoleObserver

    observer = ConsoleObserver()
    result = build_probe(
        source,
        out,
        recipe=make_recipe(recipe_file, changes),
        families=tuple(name for given in families for name in given.split(",")),
        sample=sample,
        device=device,
        workers=workers,
        on_error=on_error,
        passthrough=passthrough,
        shards=shards,
        force=force,
        engine=choose_engine(engine, ray_address),
        observer=observer,
    )
    observer.built(result, out)
