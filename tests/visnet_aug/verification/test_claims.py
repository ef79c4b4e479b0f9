"""The plan's promises as the verifier states them, against plans."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from visnet_aug.builder.journal import Written
from visnet_aug.builder.plan import make_plan
from visnet_aug.builder.probe import draft_probe, probe_recipe
from visnet_aug.builder.rows import manifest_rows, summarise
from visnet_aug.datasets.record import Dataset, ImageRecord, Split
from visnet_aug.manifest import ManifestRow
from visnet_aug.masks.store import MaskEntry, mask_name
from visnet_aug.recipe import Recipe
from visnet_aug.verification.claims import check_claims
from visnet_aug.verification.tables import Tables

FOLDERS: dict[Split, str] = {
    "train": "bounding_box_train",
    "query": "query",
    "gallery": "bounding_box_test",
}
FAMILIES = ("color_shift", "texture", "noise", "blur", "pattern", "gradient")


def record(split: Split, pid: int, camid: int, number: int) -> ImageRecord:
    stem = f"{pid:04}_c{camid}s1_{number:06}_00"
    path = Path("/set") / FOLDERS[split] / f"{stem}.jpg"
    digest = f"{get_args(Split).index(split)}{pid:04}{camid}{number:06}".ljust(64, "0")
    return ImageRecord(
        path, path.name, stem, split, pid, camid, 1, number, 0, 64, 128, digest
    )  # fmt: skip


def entry(image: ImageRecord, accepted: bool) -> MaskEntry:
    name = mask_name(image.split, image.stem)
    if accepted:
        return MaskEntry(
            name, image.sha256, "0" * 64, 0.5, 0.5, None, "accepted", "", "segmenter", "1" * 64
        )
    return MaskEntry(
        name, image.sha256, "0" * 64, 0.5, 0.5, 0.4, "rejected", "border", "segmenter", "1" * 64
    )


@st.composite
def planned(draw: st.DrawFn) -> Tables:
    """Draw a dataset and a recipe, plan, and say what a build would have written."""
    sizes = draw(st.lists(st.integers(1, 7), min_size=1, max_size=8))
    train = [
        record("train", pid, number % 3 + 1, number)
        for pid, count in enumerate(sizes, 1)
        for number in range(count)
    ]
    test = [record(split, pid, 1, 1) for split in ("query", "gallery") for pid in (101, 102)]
    dataset = Dataset(Path("/set"), "market1501", FOLDERS, (*train, *test))
    kind = draw(st.sampled_from(["originals-and-copies", "published", "probe"]))
    usable = set(draw(st.sets(st.sampled_from(test if kind == "probe" else train), min_size=1)))
    masked = test if kind == "probe" else train
    entries = {mask_name(r.split, r.stem): entry(r, r in usable) for r in masked}
    accepted = {name for name, e in entries.items() if e.accepted}
    off = draw(st.sets(st.sampled_from(FAMILIES), max_size=4))
    recipe = Recipe().replace(
        seed=draw(st.integers(0, 2**64 - 1)), backgrounds={name: {"weight": 0} for name in off}
    )
    if kind == "probe":
        dataset = replace(dataset, records=tuple(test))
        recipe = probe_recipe(recipe)
        plan = draft_probe(dataset, recipe).plan(accepted)
    else:
        most = 2 * len(usable) if kind == "published" else len(train) + 9 * len(usable)
        least = 1 if kind == "published" else len(train)
        images = draw(st.integers(least, most)) + len(test)
        recipe = recipe.replace(images=images, composition=kind)
        plan = make_plan(dataset, accepted, recipe)
    written = {image.path: Written(image.path, "2" * 64, 64, 128) for image in plan.images}
    for kept in plan.kept:
        written[kept.path] = Written(kept.path, kept.source.sha256, 64, 128)
    rows = manifest_rows(plan, written, entries, dataset)
    return Tables(
        root=Path("/out"),
        rows=rows,
        product="probe" if kind == "probe" else "build",
        report=report_of(rows),
        recipe=recipe,
        entries=entries,
        rejected=(),
        problems=(),
    )


def report_of(rows: list[ManifestRow]) -> dict[str, object]:
    summary = summarise(rows)
    return {
        "images": summary.total,
        "splits": {split: asdict(counts) for split, counts in summary.splits.items()},
        "families": dict(summary.families),
    }


def kinds(tables: Tables) -> set[str]:
    return {problem.kind for problem in check_claims(tables)}


@settings(deadline=None, max_examples=120)
@given(planned())
def test_every_plan_keeps_what_is_promised(tables: Tables) -> None:
    assert list(check_claims(tables)) == []


def changed(tables: Tables, change: Callable[[ManifestRow], ManifestRow | None]) -> Tables:
    rows = [new for row in tables.rows if (new := change(row)) is not None]
    return replace(tables, rows=rows, report=report_of(rows))


@settings(deadline=None, max_examples=60)
@given(planned(), st.data())
def test_a_missing_copy_is_found_even_if_the_counts_fit(
    tables: Tables, data: st.DataObject
) -> None:
    """One where all must have the same number; all of an image's three where others have two."""
    copies = defaultdict(list)
    for row in tables.rows:
        if row.kind == "augmented":
            copies[row.source].append(row)
    fixed = tables.published or tables.product == "probe"
    if fixed:
        gone = [made[:1] for made in copies.values() if len(made) > 1 or not tables.published]
    else:
        gone = [made for made in copies.values() if len(made) > 2 and len(copies) > 1]
    if gone:
        left_out = data.draw(st.sampled_from(gone))
        assert kinds(changed(tables, lambda row: None if row in left_out else row)) == {"balance"}


@settings(deadline=None, max_examples=60)
@given(planned(), st.data())
def test_a_copy_of_another_person_is_found(tables: Tables, data: st.DataObject) -> None:
    copies = [row for row in tables.rows if row.kind == "augmented"]
    if not copies:
        return
    wrong = data.draw(st.sampled_from(copies))
    if tables.published and sum(r.source == wrong.source for r in copies) < 2:
        return
    found = kinds(
        changed(tables, lambda row: replace(row, pid=row.pid + 300) if row is wrong else row)
    )
    assert "source" in found


@settings(deadline=None, max_examples=60)
@given(planned(), st.integers(2, 9))
def test_families_that_are_not_dealt_evenly_are_found(tables: Tables, factor: int) -> None:
    """All copies of one family: images have it twice, and the others never."""
    copies = [row for row in tables.rows if row.kind == "augmented"]
    names = tables.recipe.backgrounds.names() if tables.recipe else ()
    if len(names) < 2 or len(copies) < factor or len(copies) < 2:
        return
    found = kinds(changed(tables, lambda row: replace(row, family=names[0]) if row.family else row))
    assert found == {"balance"}


@settings(deadline=None, max_examples=80)
@given(planned(), st.data())
def test_a_family_twice_in_one_image_is_found(tables: Tables, data: st.DataObject) -> None:
    """Two copies exchange families, so that all totals stay; one image then has one twice."""
    copies = [row for row in tables.rows if row.kind == "augmented"]
    had: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    for row in copies:
        had[row.source][row.family] += 1
    exchanges = [
        (one, other)
        for one in copies
        for other in copies
        if one.source != other.source
        and one.family != other.family
        and had[one.source][one.family] <= had[one.source][other.family]
        and min(had[one.source][name] for name in families_of(tables)) == 0
    ]
    if exchanges and tables.product == "build":
        one, other = data.draw(st.sampled_from(exchanges))
        swapped = {one.path: other.family, other.path: one.family}
        found = changed(tables, lambda row: replace(row, family=swapped.get(row.path, row.family)))
        assert kinds(found) == {"balance"}


def families_of(tables: Tables) -> tuple[str, ...]:
    assert tables.recipe is not None
    return tables.recipe.backgrounds.names()
