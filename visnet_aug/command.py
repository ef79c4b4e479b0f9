"""What all commands share: errors to exit codes, epilogs that stay as they are written.

Only click is imported: help must come at once.
"""

from __future__ import annotations

import sys
from typing import Final, NoReturn

import click

from visnet_aug.errors import VisnetError

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it."""

CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Settings of every command."""


def as_it_is(title: str, *lines: str) -> str:
    """Make a part of an epilog whose lines click does not fill (the backspace tells it so)."""
    return "\n".join(("\b", title, *(f"  {line}" for line in lines)))


def completion(name: str) -> str:
    """Make the part of an epilog that says how to get shell completion."""
    variable = f"_{name.upper().replace('-', '_')}_COMPLETE"
    return as_it_is(
        "Completion in bash (zsh_source, fish_source: likewise):",
        f'eval "$({variable}=bash_source {name})"',
    )


def run(command: click.Command, name: str, interrupted: str = "interrupted") -> NoReturn:
    """Run a command as a console script: one line an error, and its exit code.

    Args:
        command: What to run.
        name: Of the console script.
        interrupted: What to say after Ctrl-C.
    """
    try:
        code = command.main(prog_name=name, standalone_mode=False) or 0
    except click.exceptions.Abort:
        code = _complain(name, interrupted, INTERRUPTED)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else name
        code = _complain(name, f"{error.format_message()} See {path} --help.", error.exit_code)
    except VisnetError as error:
        code = _complain(name, str(error), error.exit_code)
    sys.exit(code)


def _complain(name: str, text: str, code: int) -> int:
    """Print an error, each of its lines with the program's name, and pass its exit code on."""
    for line in text.splitlines():
        click.echo(f"{name}: error: {line}", err=True)
    return code
