"""The wheel, built from the tree and installed alone, without the repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]

SOURCES = ("pyproject.toml", "README.md", "LICENSE", "visnet_aug", "visnet_model")

COMMANDS = ("visnet-aug", "visnet-train", "visnet-eval", "visnet-export", "visnet-embed")


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--no-cache-dir", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel, without its dependencies, into a folder."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"  # a build writes into its tree
    tree.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, tree / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tree / name)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, tree)
    shutil.rmtree(tree)
    (wheel,) = folder.glob("visnet-*.whl")
    pip("install", "--no-deps", "--no-index", "--target", folder / "site", wheel)
    return folder / "site"


class Shell:
    """Runs the installed commands in an empty folder, with the wheel first on the path."""

    def __init__(self, site: Path, folder: Path) -> None:
        self._site, self._folder = site, folder

    def __call__(self, command: str, code: int = 0) -> str:
        name, *arguments = command.split()
        done = subprocess.run(
            [sys.executable, "-P", self._site / "bin" / name, *arguments],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": str(self._site)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr


@pytest.fixture
def shell(installed: Path, tmp_path: Path) -> Shell:
    return Shell(installed, tmp_path)


def test_it_is_the_wheel_that_runs(shell: Shell, installed: Path) -> None:
    assert f"builtin ({installed}" in shell("visnet-aug doctor")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_no_file_of_the_repository(command: str, shell: Shell) -> None:
    texts = [shell(f"{command} --help")]
    if command == "visnet-aug":
        names = re.findall(r"^  (\w+)  ", texts[0].partition("Commands:")[2], re.MULTILINE)
        assert {"build", "draw", "recipe"} <= set(names)
        texts += [shell(f"{command} {name} --help") for name in names]
    for text in texts:
        assert not re.search(r"\b(pipelines|docs|benchmarks)/", text), text


def test_every_recipe_of_the_repository_is_in_it(shell: Shell) -> None:
    listed = [line.split()[0] for line in shell("visnet-aug recipe --list").splitlines()]
    assert listed == sorted(path.stem for path in (ROOT / "pipelines").glob("*.yaml"))
    for name in listed:
        text = shell(f"visnet-aug recipe {name}")
        assert text == (ROOT / "pipelines" / f"{name}.yaml").read_text("utf-8")
        assert set(yaml.safe_load(text)) == {"build", "train"}


def test_a_set_is_drawn_and_built_without_the_repository(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(shell("visnet-aug recipe"), "utf-8")
    shell("visnet-aug draw --out drawn --identities 4")
    shell("visnet-aug build --src drawn --out own --recipe my.yaml --workers 1")
    shell("visnet-aug build --src drawn --out published --recipe market1501-published --workers 1")
    own, published = (
        yaml.safe_load((tmp_path / name / "recipe.yaml").read_text("utf-8"))["build"]
        for name in ("own", "published")
    )
    assert own["composition"] == "originals-and-copies"
    assert published == {**own, "composition": "published"}


@pytest.mark.parametrize(
    "command",
    [
        "visnet-aug build --src . --out aug --recipe market1502",
        "visnet-train --manifest manifest.csv --out run --config market1502",
    ],
)
def test_an_unknown_name_is_told_the_known_ones(command: str, shell: Shell) -> None:
    said = shell(command, code=2)
    assert "cannot read recipe market1502: No such file or directory" in said
    assert "packaged recipes: demo, market1501, market1501-published" in said
