from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from visnet_aug.errors import RecipeError
from visnet_aug.recipe import Recipe, dump_recipe, load_recipe, parse_recipe

PIPELINES = Path(__file__).parents[2] / "pipelines"

BAD = [
    # (text, what the message says)
    ("", "r.yaml: no build: section with settings under it"),
    ("build: 3", "r.yaml: no build: section with settings under it"),
    ("- build", "r.yaml: no build: section with settings under it"),
    ("biuld:\n  seed: 1", "r.yaml:1: unknown key 'biuld'; did you mean build?"),
    ("build: {}\ntrian: {}", "r.yaml:2: unknown key 'trian'; did you mean train?"),
    ("build:\n  sed: 1", "r.yaml:2: build.sed: unknown key 'sed'; did you mean seed?"),
    ("build:\n  seed: 1\n  seed: 2", "r.yaml:3: build.seed: the key is there twice"),
    (
        "build:\n  backgrounds:\n    blur:\n      motion: {length_pixls: 3}",
        "r.yaml:4: build.backgrounds.blur.motion.length_pixls: unknown key 'length_pixls'; "
        "did you mean length_pixels?",
    ),
    (
        "build:\n  backgrounds:\n    other:\n      fog: {transform: RandomFog, wieght: 2}",
        "r.yaml:4: build.backgrounds.other.fog.wieght: unknown key 'wieght'; did you mean weight?",
    ),
    ("build:\n  zzz: 1", "unknown key 'zzz'; known here: layout, table, pattern, seed"),
    ("build:\n  images: 0", "build.images: expected auto or a positive whole number, got 0"),
    ("build:\n  images: 1.5", "expected auto or a positive whole number, got 1.5"),
    ("build:\n  images: true", "expected auto or a positive whole number, got True"),
    ("build:\n  seed: -1", "build.seed: input should be greater than or equal to 0, got -1"),
    ("build:\n  seed: 1.0", "build.seed: input should be a valid integer, got 1.0"),
    ("build:\n  seed: yes", "build.seed: input should be a valid integer, got True"),
    ("build:\n  encoding: jpeg", "expected match, png or jpeg:Q with Q in 1..100, got 'jpeg'"),
    ("build:\n  encoding: jpeg:0", "with Q in 1..100, got 'jpeg:0'"),
    ("build:\n  encoding: jpeg:101", "with Q in 1..100, got 'jpeg:101'"),
    ("build:\n  layout: duke", "build.layout: unknown layout 'duke'; known are auto, market1501"),
    ("build:\n  layout: table", "build.table: the layout table needs one"),
    ("build:\n  layout: pattern", "build.pattern: the layout pattern needs one"),
    (
        "build:\n  layout: msmt17\n  table: x.csv",
        "r.yaml:3: build.table: given, but the layout is msmt17, not table",
    ),
    (
        "build:\n  table: x.csv\n  pattern: y",
        "r.yaml:3: build.pattern: given beside a table; it takes one or the other",
    ),
    ("build:\n  table: ''", "build.table: string should have at least 1 character"),
    ("build:\n  composition: both", "'originals-and-copies' or 'published', got 'both'"),
    ("build:\n  weights: ''", "build.weights: string should have at least 1 character"),
    ("build:\n  masks: {min_area: .nan}", "build.masks.min_area: input should be"),
    (
        "build:\n  backgrounds:\n    noise:\n      gaussian:\n        intensity: [0,\n          7]",
        "r.yaml:6: build.backgrounds.noise.gaussian.intensity.1: input should be less than or",
    ),
    ("build: [", "r.yaml:1: expected the node content"),
    ("build:\n\tseed: 1", "r.yaml:2: found character '\\t' that cannot start any token"),
    ("build: {seed: !!python/name:os.system 1}", "could not determine a constructor"),
    ("build: \x00", "r.yaml: unacceptable character"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_bad_recipe_is_one_line_with_the_place_and_the_remedy(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, "r.yaml")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_every_problem_has_its_own_line_in_the_order_of_the_file() -> None:
    text = "build:\n  seed: -1\n  masks:\n    confidnce: 1\n  images: none\n  zzz: 1\n"
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, "r.yaml")
    places = [line.split(" ")[0] for line in str(caught.value).splitlines()]
    assert places == ["r.yaml:2:", "r.yaml:4:", "r.yaml:5:", "r.yaml:6:"]


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, reason in (
        (tmp_path / "none.yaml", "No such file"),
        (tmp_path, "Is a directory"),
        (binary, "not UTF-8 text"),
    ):
        with pytest.raises(RecipeError, match=f"cannot read recipe {path}: {reason}"):
            load_recipe(path)


def test_a_recipe_survives_being_written_out() -> None:
    changed = Recipe().replace(
        seed=2**64 - 1,
        images="16431",
        encoding="jpeg:95",
        composition="published",
        masks={"min_area": 0.2},
        backgrounds={
            "other": {"fog": {"transform": "RandomFog", "args": {"fog_coef_range": [0, 1]}}},
            "feather": 2,
        },
    )
    for recipe in (Recipe(), changed):
        text = dump_recipe(recipe)
        assert parse_recipe(text) == recipe
        assert dump_recipe(parse_recipe(text)) == text


def test_what_is_written_out_names_every_setting() -> None:
    text = dump_recipe(Recipe())
    for name in ("seed: 0", "images: auto", "encoding: match", "weights: builtin", "min_area: ",
                 "degrees: ", "intensity: [", "feather: 0.5"):  # fmt: skip
        assert name in text


def test_the_train_section_and_missing_settings_are_fine() -> None:
    assert parse_recipe("build: {}\ntrain: {epochs: [1, {a: 2}]}") == Recipe()


def test_anchors_work_and_keep_their_lines() -> None:
    text = "build:\n  masks: &m {min_area: 0.2}\n"
    assert parse_recipe(text).masks.min_area == 0.2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": "many"}, "images: expected auto or a positive whole number, got 'many'"),
        ({"encoding": "gif"}, "encoding: expected match, png or jpeg:Q"),
        ({"weights": ""}, "weights: string should have"),
    ],
)
def test_a_bad_option_names_the_setting_alone(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe().replace(**changes)
    assert str(caught.value).startswith(message)


def test_replacing_leaves_the_rest_and_the_original_alone() -> None:
    recipe = Recipe().replace(masks={"min_area": 0.2})
    other = recipe.replace(images="100", seed=3)
    assert (other.images, other.seed, other.masks) == (100, 3, recipe.masks)
    assert (recipe.images, recipe.seed) == ("auto", 0)


def test_a_recipe_is_recorded_without_auto_and_without_where_its_table_lies() -> None:
    recipe = Recipe(table="/home/me/labels.csv").resolved("table")
    assert (recipe.layout, recipe.table) == ("table", "labels.csv")
    assert parse_recipe(dump_recipe(recipe)) == recipe
    assert Recipe().resolved("msmt17") == Recipe(layout="msmt17").resolved("msmt17")


def test_the_default_pipeline_is_the_default_recipe_written_out() -> None:
    path = PIPELINES / "market1501.yaml"
    assert load_recipe(path) == Recipe()
    build, _ = path.read_text().split("\ntrain:")
    settings = [line.split(" #")[0].rstrip() for line in build.splitlines()]
    kept = [line for line in settings if line.strip() and not line.lstrip().startswith("#")]
    assert kept == dump_recipe(Recipe()).splitlines()


def test_the_published_pipeline_differs_in_its_composition_only() -> None:
    recipe = load_recipe(PIPELINES / "market1501-published.yaml")
    assert recipe == Recipe(composition="published")


def test_reading_recipes_is_light() -> None:
    code = (
        "import sys; from visnet_aug.recipe import load_recipe; "
        f"load_recipe(__import__('pathlib').Path({str(PIPELINES / 'market1501.yaml')!r})); "
        "print(*{'numpy', 'cv2', 'torch', 'albumentations', 'PIL'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""
