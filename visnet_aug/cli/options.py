"""Options that several commands share, and the values that follow from them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from visnet_aug.datasets import LAYOUTS

if TYPE_CHECKING:
    from visnet_aug.builder.engine import EngineFactory
    from visnet_aug.recipe import Recipe

_Function = TypeVar("_Function", bound=Callable[..., Any])

SOURCE = click.option(
    "--src",
    "source",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the dataset.",
)
LAYOUT = click.option(
    "--layout",
    metavar="NAME",
    help=f"How the dataset is arranged: {', '.join(LAYOUTS)}. The command prints "
    "what auto recognised, and by what.  [default: auto]",
)
TABLE = click.option(
    "--table",
    metavar="FILE",
    help="Any images, by a CSV file with the columns path (below --src), pid, camid and split "
    "(train, query or gallery).",
)
PATTERN = click.option(
    "--pattern",
    metavar="REGEX",
    help="Any images, by a regular expression for their paths below --src, with the groups pid and "
    r"camid: '(?P<pid>\d+)/cam(?P<camid>\d+)_.*'. Folders named train, query or gallery say the "
    "split, or a group split; without either, all images are for training.",
)
OUT = click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to write: new, empty, with masks, or with an unfinished run of the same command.",
)
RECIPE = click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path),
    metavar="FILE|NAME",
    help="Settings: a YAML file with a build: section, or a packaged recipe that visnet-aug recipe "
    "--list names.  [default: market1501]",
)
WEIGHTS = click.option(
    "--weights",
    metavar="builtin|PATH|NAME",
    help="Network that finds people: the bundled one, a .safetensors or .pt file, or an official "
    "name such as yolov8n-seg.pt, which is downloaded once.  [default: builtin]",
)
DEVICE = click.option(
    "--device",
    metavar="NAME",
    default="auto",
    show_default=True,
    help="Where that network runs: auto (a GPU if there is one), cpu, cuda, cuda:1, ...",
)
ON_ERROR = click.option(
    "--on-error",
    type=click.Choice(["skip", "stop"]),
    default="skip",
    show_default=True,
    help="Unusable images: leave them out (a build lists them in rejected.csv), or stop at the "
    "first.",
)
WORKERS = click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(min=1),
    help="Number of processes; the output is the same for any.  [default: up to one per processor]",
)
ENGINE = click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where the work is done: in processes of this machine, or on a Ray cluster whose machines "
    "all see --src and --out under these paths. The output is the same. ray needs "
    "pip install 'visnet[ray]'.",
)
RAY_ADDRESS = click.option(
    "--ray-address",
    metavar="auto|HOST:PORT",
    help="The cluster of --engine ray; auto is the one that this machine belongs to.  [default: "
    "that one, or else one started here for this command alone]",
)
SEED = click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(0, 2**64 - 1),
    help="Seed of everything that is drawn at random.  [default: 0]",
)
PASSTHROUGH = click.option(
    "--passthrough",
    type=click.Choice(["clone", "hardlink", "symlink"]),
    default="clone",
    show_default=True,
    help="How untouched images get into --out: as files of their own, or as links. Editing a link "
    "changes the source.",
)
SHARDS = click.option(
    "--shards",
    metavar="N",
    type=click.IntRange(min=1),
    help="Write all images to N tar shards for WebDataset instead of to single files. Each shard "
    "has one split and a manifest beside it; the minimum is one per split. visnet-train and all "
    "other commands read them. Needs pip install 'visnet[shards]'.",
)
FORCE = click.option(
    "--force",
    is_flag=True,
    help="Remove the build or probe that is in --out and start over; masks are kept, edited ones "
    "included.",
)


def choose_engine(name: str, ray_address: str | None) -> EngineFactory:
    """Return what starts the engine with a name."""
    if name == "ray":
        from visnet_aug.builder.ray import RayEngine

        return partial(RayEngine, address=ray_address)
    if ray_address is not None:
        raise click.UsageError("--ray-address goes with --engine ray")
    from visnet_aug.builder.local import LocalEngine

    return LocalEngine


def make_recipe(path: Path | None, changes: dict[str, Any]) -> Recipe:
    """Load a recipe, or take the default one, and apply the options."""
    from visnet_aug.recipe import Recipe, load_recipe

    recipe = load_recipe(path) if path else Recipe()
    return recipe.replace(**{key: value for key, value in changes.items() if value is not None})


def together(*options: Callable[[Any], Any]) -> Callable[[_Function], _Function]:
    """Combine several options into one decorator; help lists them in this order."""
    return lambda function: reduce(lambda made, add: add(made), reversed(options), function)


DATASET = together(SOURCE, LAYOUT, TABLE, PATTERN, OUT, RECIPE)
"""Which dataset to read, where to write, and with which recipe."""

ENGINES = together(WORKERS, ENGINE, RAY_ADDRESS)
"""What does the work."""
