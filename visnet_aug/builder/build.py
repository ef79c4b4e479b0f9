"""The conductor: read, mask, plan, pass through, render, write; the manifest last.

A build killed at any point is finished by the same command, and ends with the same bytes.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from visnet_aug.builder.engine import Context, Engine, EngineFactory
from visnet_aug.builder.journal import shard_checksums
from visnet_aug.builder.local import LocalEngine
from visnet_aug.builder.making import make_files
from visnet_aug.builder.masking import (
    LocalSegmenterFactory,
    SegmenterFactory,
    StoredMasks,
    find_local_segmenter,
    find_segmenter,
    look_up_masks,
    mask_images,
)
from visnet_aug.builder.observer import Observer, Silent
from visnet_aug.builder.output import (
    MANIFEST,
    TABLES,
    Found,
    check_apart,
    check_masks,
    check_same,
    claim,
    examine,
    present_files,
    release,
    remove_build,
    table_paths,
)
from visnet_aug.builder.packing import check_count, check_shards
from visnet_aug.builder.parquet import write_parquet
from visnet_aug.builder.passthrough import Passthrough
from visnet_aug.builder.plan import Plan
from visnet_aug.builder.product import AUGMENTED_SET, Conclusion, Decision, Product
from visnet_aug.builder.provenance import identify, identify_masks
from visnet_aug.builder.rows import BuildSummary, find_facts, manifest_rows, summarise
from visnet_aug.builder.sidecars import write_sidecars
from visnet_aug.builder.timings import Stopwatch, write_timings
from visnet_aug.builder.work import lay_out
from visnet_aug.datasets import read_dataset
from visnet_aug.datasets.record import Dataset
from visnet_aug.errors import OutputError
from visnet_aug.manifest import read_manifest
from visnet_aug.masks.compute import MaskSummary
from visnet_aug.masks.store import mask_name
from visnet_aug.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Options:
    """How a build works and keeps its images: nothing here changes an image's bytes.

    Attributes:
        device: For the segmenter: ``auto`` or a torch device.
        workers: Processes; ``None`` for as many as the engine finds useful.
        on_error: Whether an unusable image is listed (``skip``) or ends the build (``stop``).
        passthrough: How untouched images get into the output.
        shards: Number of tar shards that all images go into; ``None`` for a file for each.
        force: Start over where the output holds another build, or the same one finished.
        parquet: Write ``manifest.parquet``, too.
    """

    device: str = "auto"
    workers: int | None = None
    on_error: Literal["skip", "stop"] = "skip"
    passthrough: Passthrough = "copy"
    shards: int | None = None
    force: bool = False
    parquet: bool = False


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build did.

    Attributes:
        summary: Counts of the built set.
        masks: What the mask stage did; ``None`` if the build was there already.
        made: Files written by this run.
        found: Files that an earlier run had finished.
        seconds: How long each stage of this run took.
    """

    summary: BuildSummary
    masks: MaskSummary | None
    made: int
    found: int
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def was_there(self) -> bool:
        """Whether the build was finished before, so that there was nothing to do."""
        return self.masks is None


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a build would do.

    Attributes:
        plan: Made as if every image without a stored mask could be masked.
        masks: What is known about the masks.
    """

    plan: Plan
    masks: StoredMasks


def build(
    source: Path,
    out: Path,
    recipe: Recipe,
    options: Options | None = None,
    *,
    product: Product = AUGMENTED_SET,
    segmenter_factory: SegmenterFactory = find_segmenter,
    engine_factory: EngineFactory = LocalEngine,
    observer: Observer | None = None,
) -> BuildResult:
    """Build an augmented set or another product, or finish one that was begun.

    It starts processes: a script that calls it needs ``if __name__ == "__main__":`` around what
    it does.

    Args:
        source: Folder of the dataset.
        out: Where the set goes: a new or empty folder, one with masks, or one with the same build.
        recipe: What to make.
        options: How to work.
        product: What of the dataset is masked, and what is made of it.
        segmenter_factory: Finds the segmenter; tests pass their own.
        engine_factory: Says where the work is done: in processes of this machine, or on a cluster.
        observer: Told about progress.

    Returns:
        What was done.

    Raises:
        VisnetError: One of its subclasses: the source, the weights, the number of images or the
            output folder cannot be used, or a worker process died. What was finished until then
            is kept and found by the next run.
    """
    options, watch = options or Options(), Stopwatch(observer or Silent())
    check_apart(source, out)
    check_shards(options.shards, options.passthrough)
    with claim(out), engine_factory(options.workers) as engine, _without_collector():
        found = examine(out)
        dataset, recipe = _read(source, recipe, options, watch)
        dataset = product.select(dataset, recipe)
        segmenter = segmenter_factory(recipe.weights, options.device, recipe.masks)
        identity = identify(
            product, dataset, recipe, options.passthrough, options.shards, segmenter.key
        )
        if not options.force:
            check_same(out, found, identity)
        product.check(dataset, recipe)
        if options.shards is not None:  # minutes before the masks are known
            everybody = {mask_name(image.split, image.stem) for image in product.to_mask(dataset)}
            check_count(options.shards, product.plan(dataset, everybody, recipe))
        with watch.stage("mask") as advance:
            masks = mask_images(product.to_mask(dataset), out, recipe, segmenter, engine, advance)
        identity |= identify_masks(masks)
        if not options.force:
            check_masks(out, found, identity)
            if not masks.computed and _is_whole(out, found):
                return _leave(out, options)
        plan = product.plan(dataset, masks.accepted, recipe)
        decision = Decision(product, dataset, recipe, identity, masks, plan)
        return _carry_out(decision, out, found, options, engine, watch)


def dry_run(
    source: Path,
    out: Path,
    recipe: Recipe,
    options: Options | None = None,
    *,
    segmenter_factory: LocalSegmenterFactory = find_local_segmenter,
    observer: Observer | None = None,
) -> DryRun:
    """Plan an augmented set without computing masks, downloading or writing; arguments as `build`.

    Raises:
        VisnetError: As `build`, as far as it can be known.
    """
    options, observer = options or Options(), observer or Silent()
    check_apart(source, out)
    check_shards(options.shards, options.passthrough)
    found = examine(out)
    dataset, recipe = _read(source, recipe, options, observer)
    segmenter = segmenter_factory(recipe.weights, options.device, recipe.masks)
    key = segmenter.key if segmenter else None
    if not options.force:
        wanted = identify(AUGMENTED_SET, dataset, recipe, options.passthrough, options.shards, key)
        check_same(out, found, wanted)
    masks = look_up_masks(AUGMENTED_SET.to_mask(dataset), out, recipe, key)
    plan = AUGMENTED_SET.plan(dataset, masks.accepted | masks.unknown, recipe)
    if options.shards is not None:
        check_count(options.shards, plan)
    observer.planned(plan)
    return DryRun(plan, masks)


def make_masks(
    source: Path,
    out: Path,
    recipe: Recipe,
    options: Options | None = None,
    *,
    segmenter_factory: SegmenterFactory = find_segmenter,
    engine_factory: EngineFactory = LocalEngine,
    observer: Observer | None = None,
) -> MaskSummary:
    """Compute the training images' masks alone, where `build` will look for them.

    Arguments and errors as for `build`; a folder with a build in it is refused, because its
    masks belong to that build.
    """
    options, observer = options or Options(), observer or Silent()
    check_apart(source, out)
    with claim(out), engine_factory(options.workers) as engine:
        if examine(out).state != "fresh":
            raise OutputError(
                f"{out}: holds a build with its masks; mend those and build again with --force, "
                "or choose another --out"
            )
        dataset, recipe = _read(source, recipe, options, observer)
        segmenter = segmenter_factory(recipe.weights, options.device, recipe.masks)
        with observer.stage("mask") as advance:
            images = AUGMENTED_SET.to_mask(dataset)
            return mask_images(images, out, recipe, segmenter, engine, advance)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep Python from looking for cycles among what lives to the end anyway.

    A build makes a million small values and no cycles to speak of; the search took a fifth of the
    main process's time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read(
    source: Path, recipe: Recipe, options: Options, observer: Observer
) -> tuple[Dataset, Recipe]:
    """Read the source; the recipe says from now on which layout it has."""
    with observer.stage("read") as advance:
        dataset = read_dataset(
            source,
            layout=recipe.layout,
            table=recipe.table,
            pattern=recipe.pattern,
            on_error=options.on_error,
            workers=options.workers,
            progress=advance,
        )
    observer.read(dataset)
    return dataset, recipe.resolved(dataset.layout)


def _is_whole(out: Path, found: Found) -> bool:
    """Tell whether a build is finished and its files all there, by name, with none beside."""
    if found.state != "finished" or not all((out / name).exists() for name in TABLES):
        return False
    return present_files(out, found.folders) == table_paths(found.paths) | found.paths


def _leave(out: Path, options: Options) -> BuildResult:
    """Leave a finished build as it is, except for what is asked for beside it."""
    if options.parquet:
        write_parquet(out)
    summary = summarise(read_manifest(out / MANIFEST))
    return BuildResult(summary, None, 0, summary.total)


def _carry_out(
    decision: Decision,
    out: Path,
    found: Found,
    options: Options,
    engine: Engine,
    watch: Stopwatch,
) -> BuildResult:
    """Make the files that were decided on, and then what stands beside them."""
    dataset, recipe, masks, plan = decision.dataset, decision.recipe, decision.masks, decision.plan
    work = lay_out(
        plan,
        options.shards,
        recipe.seed,
        lambda item: find_facts(item, masks.entries, dataset),
    )
    watch.planned(plan)
    if options.force and not (found.state == "unfinished" and found.identity == decision.identity):
        with watch.stage("remove") as advance:
            remove_build(out, found, advance)
        found = Found("fresh")
    context = Context(recipe, out, options.passthrough)
    before, written = make_files(work, found, decision.identity, context, engine, watch)
    rows = manifest_rows(plan, work.images(written), masks.entries, dataset)
    conclusion = Conclusion(**vars(decision), rows=rows, shards=shard_checksums(written.values()))
    with watch.stage("write tables") as advance:
        write_sidecars(out, conclusion)
        if options.parquet:
            write_parquet(out)
        release(out)
        advance(plan.total, plan.total)
    made = plan.total - before
    write_timings(out, watch.timings(out, engine, masks=masks.computed, made=made, found=before))
    return BuildResult(conclusion.summary, masks, made, before, watch.seconds)
