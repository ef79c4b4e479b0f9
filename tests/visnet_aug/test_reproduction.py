from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from building import BuildEach
from PIL import Image

from visnet_aug.backgrounds.settings import BackgroundSettings
from visnet_aug.builder.probe import probe_recipe
from visnet_aug.datasets.images import decode_rgb
from visnet_aug.errors import DatasetError, OutputError, RecipeError
from visnet_aug.manifest import ManifestRow, read_manifest, write_manifest
from visnet_aug.masks.store import read_mask
from visnet_aug.recipe import Recipe
from visnet_aug.reproduction import Replayer, Variation, check_target, replay

RECIPES = {
    "match": Recipe(images=30 + 24),
    "feathered": Recipe(
        images=30 + 24, encoding="png", backgrounds=BackgroundSettings(feather=3.0)
    ),
    "published": Recipe(images=18 + 20, composition="published", encoding="jpeg:60"),
    "probe": probe_recipe(Recipe()),
}
SOURCE = "bounding_box_train/0002_c2s1_001022_00.jpg.jpg"

CopyOf = Callable[[str], Path]


@pytest.fixture(scope="module")
def builds(build_each: BuildEach, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Finished builds, to be read only."""
    return build_each(RECIPES, tmp_path_factory.mktemp("replayed"))


@pytest.fixture
def copy_of(builds: dict[str, Path], tmp_path: Path) -> CopyOf:
    return lambda name: shutil.copytree(builds[name], tmp_path / "out")


def copies(root: Path) -> list[ManifestRow]:
    return [row for row in read_manifest(root / "manifest.csv") if row.kind == "augmented"]


def of_source(root: Path) -> ManifestRow:
    """The first copy of one image, whose name ends in ``.jpg.jpg``."""
    return next(row for row in copies(root) if row.source == SOURCE)


def change_row(root: Path, path: str, **values: object) -> ManifestRow:
    rows = read_manifest(root / "manifest.csv")
    rows = [replace(r, **values) if r.path == path else r for r in rows]  # type: ignore[arg-type]
    write_manifest(root / "manifest.csv", rows)
    return next(row for row in rows if row.path == path)


@pytest.mark.parametrize("name", RECIPES)
def test_every_copy_is_rendered_again_to_the_byte(
    builds: dict[str, Path], market: Path, tmp_path: Path, name: str
) -> None:
    replayer = Replayer(builds[name], market if name == "published" else None)
    rows = replayer.find(["*"])
    assert rows == copies(builds[name])
    for row in rows:
        made = replayer.replay(row, tmp_path)
        assert (made.outcome, made.agrees, made.detail) == ("same", True, "")
        assert made.written == tmp_path / row.path
        assert made.written.read_bytes() == (builds[name] / row.path).read_bytes()


def test_only_the_record_is_used(copy_of: CopyOf) -> None:
    """Not the seed, nor what the recipe would draw: other draws give other bytes."""
    root = copy_of("match")
    row = of_source(root)
    seedless = change_row(root, row.path, seed=1, intensity=0.0, variant="none")
    assert Replayer(root).replay(seedless).outcome == "same"
    other = next(o for o in copies(root) if o.family == row.family and o.params != row.params)
    changed = Replayer(root).replay(change_row(root, row.path, params=other.params))
    assert changed.outcome == "differs"
    assert changed.detail.endswith("the row was edited")


@pytest.mark.parametrize(
    "values",
    [
        {"params": {}},
        {"params": {"variant": "x", "intensity": 1}},
        {"params": {"variant": 3, "intensity": []}},
        {"family": "fog"},
    ],
)
def test_a_record_that_cannot_be_rendered_differs(
    copy_of: CopyOf, values: dict[str, object]
) -> None:
    root = copy_of("match")
    made = Replayer(root).replay(change_row(root, of_source(root).path, **values))
    assert (made.outcome, made.agrees) == ("differs", False)
    assert made.detail.startswith("the record cannot be rendered (")


def test_a_file_that_is_not_its_record_is_told_from_a_wrong_record(copy_of: CopyOf) -> None:
    root = copy_of("match")
    row = of_source(root)
    (root / row.path).write_bytes(b"other")
    made = Replayer(root).replay(row)
    assert (made.outcome, made.agrees) == ("file differs", False)
    (root / row.path).unlink()
    assert "No such file" in Replayer(root).replay(row).line()


def test_what_may_explain_other_bytes_is_named(copy_of: CopyOf) -> None:
    root = copy_of("match")
    row = of_source(root)
    mask = root / str(row.mask)
    report = json.loads((root / "build.json").read_text())
    report["identity"]["versions"]["opencv"] = "4.0.0"
    (root / "build.json").write_text(json.dumps(report))
    Image.new("1", (row.width, row.height), 1).save(mask)
    made = Replayer(root).replay(row)
    assert made.outcome == "differs"
    assert f"{row.mask} was changed since" in made.detail
    assert 'opencv is "4.0.0" there' in made.detail


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("{path}", 1),
        ("{file}", 1),
        ("{stem}", 1),
        (SOURCE, 2),
        ("0002_c2s1_001022_00.jpg.jpg", 2),
        ("0002_c2s1_001022_00", 2),
        ("0002_c2s1_001022_00_?_*", 2),
        ("0002_*", 6),
        ("bounding_box_train/*", 24),
        ("*", 24),
    ],
)
def test_names(builds: dict[str, Path], name: str, count: int) -> None:
    row = of_source(builds["match"])
    file = Path(row.path).name
    name = name.format(path=row.path, file=file, stem=file.removesuffix(".jpg"))
    found = Replayer(builds["match"]).find([name, name])
    assert len(found) == count
    assert row in found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{path}x", "did you mean {file}"),
        ("0002_c2s1_001022_01", "did you mean 0002_c2s1_001022_00_"),
        ("???", "no copy in"),
        ("query/0011_c1s1_001111_00.jpg", "passed through untouched"),
    ],
)
def test_unknown_names_are_refused_with_those_that_are_near(
    builds: dict[str, Path], name: str, message: str
) -> None:
    row = of_source(builds["match"])
    parts = {"path": row.path, "file": Path(row.path).name}
    with pytest.raises(RecipeError) as caught:
        Replayer(builds["match"]).find([row.path, name.format(**parts)])
    assert message.format(**parts) in str(caught.value)


def test_sources_must_be_there_and_the_same(
    builds: dict[str, Path], make_market: Callable[[Path], Path], tmp_path: Path
) -> None:
    row = of_source(builds["published"])
    with pytest.raises(DatasetError, match="--src"):
        Replayer(builds["published"]).replay(row)
    other = make_market(tmp_path / "other")
    (other / SOURCE).write_bytes(b"other")
    with pytest.raises(DatasetError, match="not the image that"):
        Replayer(builds["published"], other).replay(row)
    (other / SOURCE).unlink()
    with pytest.raises(DatasetError, match="cannot be read"):
        Replayer(builds["published"], other).replay(row)
    with pytest.raises(DatasetError, match="no such folder"):
        Replayer(builds["published"], tmp_path / "none")


@pytest.mark.parametrize(
    "variation",
    [
        Variation(intensity=1.0),
        Variation(seed=7),
        Variation(family="pattern"),
        Variation(family="color_shift", intensity=0.25, seed=9),
    ],
)
def test_variations_spare_the_person(
    builds: dict[str, Path], tmp_path: Path, variation: Variation
) -> None:
    root = builds["feathered"]
    row = of_source(root)
    mask = read_mask(root / str(row.mask), (row.height, row.width))
    source = decode_rgb((root / SOURCE).read_bytes())
    made = Replayer(root).vary(row, variation, tmp_path)
    assert (made.outcome, made.agrees) == ("variation", True)
    assert made.written is not None
    image = decode_rgb(made.written.read_bytes())
    np.testing.assert_array_equal(image[mask], source[mask])
    assert (image[~mask] != decode_rgb((root / row.path).read_bytes())[~mask]).any()
    family = variation.family or row.family
    assert made.written.parent == tmp_path / "bounding_box_train"
    assert made.written.name.startswith(f"0002_c2s1_001022_00_{row.copy}_{family}_i")
    if variation.intensity is not None:
        assert made.detail.endswith(f"intensity {variation.intensity:g}")


def test_a_variation_with_the_rows_own_values_is_the_row(
    builds: dict[str, Path], tmp_path: Path
) -> None:
    root = builds["match"]
    row = of_source(root)
    same = Variation(row.family, row.intensity, row.seed)
    made = Replayer(root).vary(row, same, tmp_path)
    assert made.written is not None
    assert made.written.read_bytes() == (root / row.path).read_bytes()


def test_no_variation_is_none() -> None:
    assert not Variation()
    assert Variation(intensity=0.0)
    assert Variation(seed=0)


def test_an_unknown_family_is_refused(builds: dict[str, Path], tmp_path: Path) -> None:
    row = of_source(builds["match"])
    with pytest.raises(RecipeError, match="fog"):
        Replayer(builds["match"]).vary(row, Variation(family="fog"), tmp_path)


def test_nothing_is_written_into_the_build(builds: dict[str, Path], tmp_path: Path) -> None:
    root = builds["match"]
    for inside in (root, root / "query", root / ".." / root.name / "new"):
        with pytest.raises(OutputError, match="inside the build"):
            check_target(root, inside)
    check_target(root, tmp_path)


def test_a_script_replays_by_one_function(builds: dict[str, Path], tmp_path: Path) -> None:
    root = builds["match"]
    results = list(replay(str(root), SOURCE, to=str(tmp_path)))
    assert [result.outcome for result in results] == ["same", "same"]
    for result in results:
        assert result.written == tmp_path / result.path
        assert result.written.read_bytes() == (root / result.path).read_bytes()
    (varied,) = replay(root, results[0].path, to=tmp_path, variation=Variation(seed=7))
    assert varied.outcome == "variation"


def test_what_a_replay_cannot_do_is_said_before_anything_is_rendered(
    builds: dict[str, Path], tmp_path: Path
) -> None:
    root = builds["match"]
    with pytest.raises(RecipeError, match="variations are written: give the folder"):
        replay(root, SOURCE, variation=Variation(seed=7))
    with pytest.raises(OutputError, match="inside the build"):
        replay(root, SOURCE, to=root / "again")
    with pytest.raises(RecipeError, match=r"no copy in .* has this name"):
        replay(root, "nobody", to=tmp_path)
