"""Builds an augmented set or a probe: read, mask, plan, make, write tables; the manifest last.

A build killed at any point is finished by the same call, and ends with the same bytes.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeAlias

from visnet_aug.builder.engine import Context, Engine, EngineFactory, Passthrough
from visnet_aug.builder.folder import (
    MANIFEST,
    FolderContent,
    check_apart,
    claim,
    examine,
    release,
    remove_build,
)
from visnet_aug.builder.identity import check_masks, check_same, identify, identify_masks
from visnet_aug.builder.journal import shard_checksums
from visnet_aug.builder.local import LocalEngine
from visnet_aug.builder.make import lay_out, make_files
from visnet_aug.builder.mask_exchange import (
    check_export,
    export_for_boxmot,
    export_masks,
    import_masks,
)
from visnet_aug.builder.packing import check_count, check_installed
from visnet_aug.builder.plan import Draft, Plan, draft_set
from visnet_aug.builder.probe import draft_probe, probe_recipe
from visnet_aug.builder.rows import (
    BuildSummary,
    BuiltSet,
    find_provenance,
    manifest_rows,
    summarise,
)
from visnet_aug.builder.tables import write_parquet, write_tables, write_timings
from visnet_aug.datasets import read_dataset
from visnet_aug.datasets.record import Dataset, ImageRecord
from visnet_aug.errors import OutputError, RecipeError
from visnet_aug.manifest import read_manifest
from visnet_aug.masks.compute import (
    MaskSummary,
    SegmenterFactory,
    SegmenterSource,
    StoredMasks,
    compute_masks,
    find_local_segmenter,
    find_segmenter,
    look_up_masks,
)
from visnet_aug.masks.interchange import MaskFormat
from visnet_aug.masks.store import MaskEntry, MaskStore, mask_name
from visnet_aug.masks.worker import MaskBatch
from visnet_aug.progress import Advance, Stage, silent
from visnet_aug.recipe import Recipe

OnError: TypeAlias = Literal["skip", "stop"]

DEFAULT_RECIPE: Final = Recipe()


class Observer:
    """Follows a build, from the main thread; override what you want to see."""

    def stage(self, name: str) -> AbstractContextManager[Advance]:
        """Follow one stage: its progress is reported to what the context manager gives."""
        return silent(name)

    def read(self, dataset: Dataset) -> None:
        """Called with what was read."""

    def planned(self, plan: Plan) -> None:
        """Called with what will be made."""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build did.

    Attributes:
        summary: Counts of the built set.
        masks: What the mask stage did; ``None`` if the build was finished before.
        made: Images written by this run.
        found: Images that an earlier run had written.
        seconds: How long each stage of this run took.

    Examples:
        >>> from visnet_aug import BuildResult, build
        >>> result: BuildResult = build("drawn", "aug", workers=1)  # finished before
        >>> result.was_there, result.made
        (True, 0)
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
    source: str | Path,
    out: str | Path,
    *,
    recipe: Recipe = DEFAULT_RECIPE,
    images: int | Literal["auto"] | None = None,
    device: str = "auto",
    workers: int | None = None,
    on_error: OnError = "skip",
    passthrough: Passthrough = "clone",
    shards: int | None = None,
    force: bool = False,
    parquet: bool = False,
    segmenter: SegmenterFactory = find_segmenter,
    engine: EngineFactory = LocalEngine,
    observer: Observer | None = None,
) -> BuildResult:
    """Build an augmented set, or finish one that was interrupted.

    It starts processes: a script that calls it needs ``if __name__ == "__main__":``.

    Args:
        source: Folder of the dataset.
        out: Folder to write: new, empty, with masks, or with the same build.
        recipe: What to build: everything that decides the images' bytes.
        images: Total number of images (train, query and gallery), instead of the recipe's.
        device: Where the segmenter runs: ``auto`` or a torch device.
        workers: Number of processes; ``None`` for as many as the engine finds useful.
        on_error: Whether an unusable image is listed (``skip``) or ends the build (``stop``).
        passthrough: How untouched images get into the output.
        shards: Number of tar shards to write all images to; ``None`` for one file per image.
        force: Start over if the folder holds another build, or the same one finished.
        parquet: Also write ``manifest.parquet``.
        segmenter: Finds the segmenter from weights, device and mask settings.
        engine: Does the work: in processes of this machine, or on a cluster.
        observer: Follows the build.

    Returns:
        What was done.

    Raises:
        VisnetError: One of its subclasses: the source, the weights, the number of images or the
            output folder cannot be used, or a worker process died. Finished work is kept, and the
            next run uses it.

    Examples:
        >>> from visnet_aug import Recipe, build
        >>> result = build("drawn", "larger", recipe=Recipe(seed=7), images=60, workers=1)
        >>> result.summary.total
        60
    """
    if images is not None:
        recipe = recipe.replace(images=images)
    options = _Options(device, workers, on_error, passthrough, shards, force, parquet)
    return _run(draft_set, Path(source), Path(out), recipe, options, segmenter, engine, observer)


def build_probe(
    source: str | Path,
    out: str | Path,
    *,
    recipe: Recipe = DEFAULT_RECIPE,
    families: tuple[str, ...] = (),
    sample: int | None = None,
    device: str = "auto",
    workers: int | None = None,
    on_error: OnError = "skip",
    passthrough: Passthrough = "clone",
    shards: int | None = None,
    force: bool = False,
    segmenter: SegmenterFactory = find_segmenter,
    engine: EngineFactory = LocalEngine,
    observer: Observer | None = None,
) -> BuildResult:
    """Build a background-sensitivity probe, or finish one that was interrupted.

    Args:
        source: Folder of the dataset, with query and gallery.
        out: Folder to write.
        recipe: Its families, masks, encoding and seed are used.
        families: Families to make versions of; all that the recipe enables if empty.
        sample: Number of query identities to use; ``None`` for all.
        device: As for `build`, like all further arguments, the result and the errors.
        workers: See `build`.
        on_error: See `build`.
        passthrough: See `build`.
        shards: See `build`.
        force: See `build`.
        segmenter: See `build`.
        engine: See `build`.
        observer: See `build`.

    Examples:
        >>> from visnet_aug import build_probe
        >>> result = build_probe("drawn", "probe", families=("blur",), workers=1)
        >>> sorted(result.summary.splits)
        ['gallery', 'probe-gallery', 'probe-query', 'query']
    """
    recipe = probe_recipe(recipe, families)
    options = _Options(device, workers, on_error, passthrough, shards, force)
    draft = partial(draft_probe, sample=sample)
    return _run(draft, Path(source), Path(out), recipe, options, segmenter, engine, observer)


def dry_run(
    source: str | Path,
    out: str | Path,
    *,
    recipe: Recipe = DEFAULT_RECIPE,
    images: int | Literal["auto"] | None = None,
    device: str = "auto",
    workers: int | None = None,
    on_error: OnError = "skip",
    passthrough: Passthrough = "clone",
    shards: int | None = None,
    force: bool = False,
    segmenter: Callable[..., SegmenterSource | None] = find_local_segmenter,
    observer: Observer | None = None,
) -> DryRun:
    """Plan an augmented set without computing masks, downloading or writing.

    Arguments and errors are those of `build`, as far as errors can be known.
    """
    if images is not None:
        recipe = recipe.replace(images=images)
    source, out, observer = Path(source), Path(out), observer or Observer()
    options = _Options(device, workers, on_error, passthrough, shards, force)
    options.check(source, out)
    found = examine(out)
    dataset, recipe = _read(source, recipe, options, observer.stage)
    observer.read(dataset)
    draft = draft_set(dataset, recipe)
    chosen = segmenter(recipe.weights, device, recipe.masks)
    key = chosen.key if chosen else None
    if not force:
        wanted = identify(draft.command, dataset, recipe, passthrough, shards, key)
        check_same(out, found.identity, wanted)
    masks = look_up_masks(draft.to_mask, MaskStore(out), key, recipe.masks)
    plan = draft.plan(masks.accepted | masks.unknown)
    if shards is not None:
        check_count(shards, plan)
    observer.planned(plan)
    return DryRun(plan, masks)


def make_masks(
    source: str | Path,
    out: str | Path,
    *,
    recipe: Recipe = DEFAULT_RECIPE,
    masks_from: str | Path | None = None,
    export: MaskFormat | None = None,
    export_to: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    on_error: OnError = "skip",
    segmenter: SegmenterFactory = find_segmenter,
    engine: EngineFactory = LocalEngine,
    observer: Observer | None = None,
) -> MaskSummary:
    """Compute the training images' masks alone, where `build` looks for them.

    Args:
        source: Folder of the dataset.
        out: Folder for the masks: new, empty, or with masks. A folder that holds a build is
            refused, because its masks belong to that build.
        recipe: Its weights and mask limits are used.
        masks_from: Masks of another tool (PNG folder, COCO JSON, YOLO labels): they are used
            instead of the segmenter's, which computes the masks that are missing.
        export: Also write the accepted masks for another tool: ``coco``, ``yolo``, ``png``, or
            ``boxmot`` (folders of PNGs: the person of each crop, and everyone in it).
        export_to: New or empty folder to write them to.
        device: Where the segmenter runs, as for `build`, like all further arguments.
        workers: See `build`.
        on_error: See `build`.
        segmenter: See `build`.
        engine: See `build`.
        observer: See `build`.

    Returns:
        The masks of all training images, with counts.

    Raises:
        VisnetError: As for `build`.

    Examples:
        >>> from visnet_aug import make_masks
        >>> masks = make_masks("drawn", "masked", workers=1)
        >>> len(masks.entries)
        24
    """
    source, out, observer = Path(source), Path(out), observer or Observer()
    check_apart(source, out)
    if export is not None and export_to is not None:
        check_export(Path(export_to))
    with claim(out), engine(workers) as working:
        if examine(out).state != "fresh":
            raise OutputError(
                f"{out}: holds a build with its masks; edit those and build again with --force, "
                "or choose another --out"
            )
        options = _Options(device, workers, on_error)
        dataset, recipe = _read(source, recipe, options, observer.stage)
        observer.read(dataset)
        images = dataset.split("train")
        if masks_from is not None:
            with observer.stage("import") as advance:
                import_masks(images, Path(masks_from), MaskStore(out), recipe.masks, advance)
        chosen = segmenter(recipe.weights, device, recipe.masks)
        masks = _mask(images, out, recipe, chosen, working, observer.stage)
        if export is not None and export_to is not None:
            to, store = Path(export_to), MaskStore(out)
            with observer.stage("export") as advance:
                if export == "boxmot":
                    export_for_boxmot(images, masks, store, to, chosen.load(), advance)
                else:
                    export_masks(images, masks, store, to, export, advance)
        return masks


@dataclass(frozen=True, slots=True)
class _Options:
    """The options of `build` that change no image's bytes."""

    device: str = "auto"
    workers: int | None = None
    on_error: OnError = "skip"
    passthrough: Passthrough = "clone"
    shards: int | None = None
    force: bool = False
    parquet: bool = False

    def check(self, source: Path, out: Path) -> None:
        """Refuse at once what cannot work.

        Raises:
            OutputError: Source and output overlap.
            RecipeError: Shards cannot hold links, or WebDataset is not installed.
        """
        check_apart(source, out)
        if self.shards is None:
            return
        if self.passthrough != "clone":
            raise RecipeError(
                f"--shards with --passthrough {self.passthrough}: a tar holds images, not links; "
                "leave one of them out"
            )
        check_installed()


class Stopwatch:
    """Times the stages that an observer follows."""

    def __init__(self, stage: Stage) -> None:
        """Time stages, and report their progress to ``stage``."""
        self._stage = stage
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[Advance]:
        """Follow one stage; its time is noted if it completes."""
        start = time.perf_counter()
        with self._stage(name) as advance:
            yield advance
        self.seconds[name] = time.perf_counter() - start


def _run(
    draft_from: Callable[[Dataset, Recipe], Draft],
    source: Path,
    out: Path,
    recipe: Recipe,
    options: _Options,
    segmenter: SegmenterFactory,
    engine: EngineFactory,
    observer: Observer | None,
) -> BuildResult:
    """Read, mask, plan, make, write tables; for an augmented set and a probe alike."""
    observer = observer or Observer()
    watch = Stopwatch(observer.stage)
    options.check(source, out)
    with claim(out), engine(options.workers) as working, _without_collector():
        found = examine(out)
        dataset, recipe = _read(source, recipe, options, watch.stage)
        observer.read(dataset)
        draft = draft_from(dataset, recipe)
        chosen = segmenter(recipe.weights, options.device, recipe.masks)
        identity = identify(
            draft.command, draft.dataset, recipe, options.passthrough, options.shards, chosen.key
        )
        if not options.force:
            check_same(out, found.identity, identity)
        if options.shards is not None:  # now, minutes before the masks are known
            everyone = {mask_name(image.split, image.stem) for image in draft.to_mask}
            check_count(options.shards, draft.plan(everyone))

        masks = _mask(draft.to_mask, out, recipe, chosen, working, watch.stage)
        identity |= identify_masks(masks)
        if not options.force:
            check_masks(out, found.identity, identity)
            if not masks.computed and found.is_complete(out):
                return _finished(out, options.parquet)

        plan = draft.plan(masks.accepted)
        work = lay_out(
            plan,
            options.shards,
            recipe.seed,
            partial(find_provenance, masks=masks.entries, dataset=draft.dataset),
        )
        observer.planned(plan)

        if options.force and not (found.state == "unfinished" and found.identity == identity):
            with watch.stage("remove") as advance:
                remove_build(out, found, advance)
            found = FolderContent("fresh")
        context = Context(recipe, out, options.passthrough)
        before, written = make_files(work, found, identity, context, working, watch.stage)

        built = BuiltSet(
            dataset=draft.dataset,
            recipe=recipe,
            identity=identity,
            masks=masks,
            arithmetic=plan.arithmetic,
            rows=manifest_rows(plan, work.images(written), masks.entries, draft.dataset),
            shards=shard_checksums(written.values()),
        )
        with watch.stage("write tables") as advance:
            write_tables(out, built)
            if options.parquet:
                write_parquet(out)
            release(out)
            advance(plan.total, plan.total)
        made = plan.total - before
        write_timings(
            out, watch.seconds, working.describe(), masks=masks.computed, made=made, found=before
        )
        return BuildResult(built.summary, masks, made, before, watch.seconds)


def _read(source: Path, recipe: Recipe, options: _Options, stage: Stage) -> tuple[Dataset, Recipe]:
    """Read the source; the recipe that is returned names its layout."""
    with stage("read") as advance:
        dataset = read_dataset(
            source,
            layout=recipe.layout,
            table=recipe.table,
            pattern=recipe.pattern,
            on_error=options.on_error,
            workers=options.workers,
            progress=advance,
        )
    return dataset, recipe.resolved(dataset.layout)


def _mask(
    images: tuple[ImageRecord, ...],
    out: Path,
    recipe: Recipe,
    segmenter: SegmenterSource,
    engine: Engine,
    stage: Stage,
) -> MaskSummary:
    """Bring the masks of some images up to date."""

    def run(
        batches: list[MaskBatch],
        ready: Callable[[], None],
        finished: Callable[[Sequence[MaskEntry]], None],
    ) -> None:
        engine.make_masks(batches, segmenter, out, ready, finished)

    with stage("mask") as advance:
        return compute_masks(
            images,
            MaskStore(out),
            segmenter_key=segmenter.key,
            settings=recipe.masks,
            run=run,
            progress=advance,
        )


def _finished(out: Path, parquet: bool) -> BuildResult:
    """Leave a finished build as it is, except for ``manifest.parquet``."""
    if parquet:
        write_parquet(out)
    summary = summarise(read_manifest(out / MANIFEST))
    return BuildResult(summary, None, 0, summary.total)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Switch the garbage collector off: a build makes a million small values and hardly a cycle.

    Searching them took a fifth of the main process's time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
