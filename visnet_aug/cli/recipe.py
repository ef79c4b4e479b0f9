"""The command that prints recipes: ``recipe``."""

from __future__ import annotations

from pathlib import Path

import click

from visnet_aug.command import as_it_is, exit_codes


@click.command(
    short_help="Print a recipe to start your own from.",
    epilog="\n\n".join(
        (
            as_it_is(
                "Examples:",
                "visnet-aug recipe > my.yaml",
                "visnet-aug recipe --list",
                "visnet-aug recipe market1501-published",
            ),
            exit_codes(),
        )
    ),
)
@click.argument("name", required=False)
@click.option("--list", "list_them", is_flag=True, help="List the packaged recipes.")
def recipe(name: str | None, list_them: bool) -> None:
    """Print the packaged recipe NAME, with comments; without NAME, the one with all defaults.

    --recipe and visnet-train's --config take the name itself, too.
    """
    from visnet_aug.recipes import DEFAULT, find_recipe, list_recipes

    if list_them and name is not None:
        raise click.UsageError("Give NAME or --list, not both.")
    recipes = list_recipes()
    if list_them:
        width = max(map(len, recipes))
        for known, summary in recipes.items():
            click.echo(f"{known:{width}}  {summary}")
        return
    name = name or DEFAULT
    if name not in recipes:
        raise click.UsageError(f"There is no recipe {name!r}; there are {', '.join(recipes)}.")
    click.echo(find_recipe(Path(name)).read_text("utf-8"), nl=False)
