"""Exit codes as `--help` lists them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from docsite.commands import TOOLS
from docsite.errors import error_classes
from visnet_aug.command import INTERRUPTED
from visnet_aug.errors import VisnetError


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command of every tool that does something, with how it is called."""
    for name, command in TOOLS.items():
        if isinstance(command, click.Group):
            for key, below in command.commands.items():
                yield f"{name} {key}", below
        else:
            yield name, command


COMMANDS = dict(commands())


def listed(command: click.Command) -> dict[int, str]:
    """Return the exit codes that a command's help ends with, and what it says of each."""
    lines = (command.epilog or "").partition("Exit codes:\n")[2].partition("\n\n")[0].splitlines()
    found = [re.fullmatch(r"  +(\d+) +(.+)", line) for line in lines]
    return {int(match[1]): match[2] for match in found if match}


def lists(command: click.Command, error: type[VisnetError]) -> bool:
    """Tell whether a command's help has an error's code with the error's first line."""
    first = (error.__doc__ or "").splitlines()[0].rstrip(".")
    return listed(command).get(error.exit_code, "").casefold() == first.casefold()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_lists_its_exit_codes(name: str) -> None:
    codes = listed(COMMANDS[name])
    assert list(codes) == sorted(codes)
    assert {0, 2, INTERRUPTED} <= codes.keys()
    kinds = {error.exit_code for error in error_classes() if lists(COMMANDS[name], error)}
    assert codes.keys() - kinds <= {0, 1, INTERRUPTED}


@pytest.mark.parametrize("error", list(error_classes()))
def test_every_error_is_listed_by_a_command(error: type[VisnetError]) -> None:
    assert any(lists(command, error) for command in COMMANDS.values())


def test_the_group_lists_every_error_of_its_commands() -> None:
    group = TOOLS["visnet-aug"]
    for name, command in COMMANDS.items():
        if name.startswith("visnet-aug"):
            assert listed(command).keys() <= listed(group).keys()
