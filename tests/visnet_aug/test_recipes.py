from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from visnet_aug.cli.main import cli
from visnet_aug.recipe import Recipe, load_recipe
from visnet_aug.recipes import DEFAULT, find_recipe, list_recipes
from visnet_model.config import load_config

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_is_read_by_both_tools(name: str) -> None:
    load_recipe(Path(name))
    load_config(Path(name))


def test_the_files_in_pipelines_are_the_packaged_ones() -> None:
    linked = {path.stem: path.resolve() for path in (ROOT / "pipelines").glob("*.yaml")}
    assert linked == {name: find_recipe(Path(name)).resolve() for name in list_recipes()}


def test_a_file_goes_before_a_packaged_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("demo").write_text("build: {seed: 5}")
    assert load_recipe(Path("demo")) == Recipe(seed=5)
    assert load_recipe(Path("market1501")) == Recipe()


@pytest.mark.parametrize("path", ["market1501.yaml", "./market1501", "recipes/market1501", ""])
def test_only_a_bare_name_is_a_packaged_one(path: str, tmp_path: Path) -> None:
    assert find_recipe(tmp_path / path) == tmp_path / path


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 0, (ROOT / f"pipelines/{DEFAULT}.yaml").read_text("utf-8")),
        (["demo"], 0, (ROOT / "pipelines/demo.yaml").read_text("utf-8")),
        (["nothing"], 2, "There is no recipe 'nothing'; there are demo, market1501, "),
        (["demo", "--list"], 2, "Give NAME or --list, not both."),
    ],
)
def test_recipes_are_printed_as_they_are(arguments: list[str], code: int, said: str) -> None:
    result = CliRunner().invoke(cli, ["recipe", *arguments])
    assert result.exit_code == code
    assert result.output == said if code == 0 else said in result.output


def test_the_list_has_a_line_for_each() -> None:
    result = CliRunner().invoke(cli, ["recipe", "--list"])
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines] == list(list_recipes())
    assert all(line.endswith(".") and len(line) <= 120 for line in lines)
