"""What all commands share: errors to exit codes, epilogs that stay as they are written.

Beside the errors only click is imported: help must come at once.
"""

from __future__ import annotations

import sys
from typing import Any, Final, NoReturn

import click

from visnet_aug.errors import RecipeError, VisnetError

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it."""

RESUMED: Final = "interrupted; the same command goes on where it stopped"
"""What a `Resumable` command says after Ctrl-C."""

CONTEXT: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Settings of every command."""


def as_it_is(title: str, *lines: str) -> str:
    """Make a part of an epilog whose lines click does not fill (the backspace tells it so)."""
    return "\n".join(("\b", title, *(f"  {line}" for line in lines)))


def exit_codes(*errors: type[VisnetError], one: str = "", interrupted: str = "interrupted") -> str:
    """Make the part of an epilog that lists exit codes, in the errors' own words.

    Args:
        errors: What the command can end with, beside the `RecipeError` that any command can.
        one: What 1 means, if the command uses it.
        interrupted: What 130 means.
    """
    meanings = {0: "done"} | ({1: one} if one else {})
    kinds: list[type[VisnetError]] = [RecipeError, *errors]
    for error in sorted(kinds, key=lambda error: error.exit_code):
        meaning = (error.__doc__ or "").partition("\n")[0].rstrip(".")
        meanings[error.exit_code] = meaning[:1].lower() + meaning[1:]
    meanings[INTERRUPTED] = interrupted
    return as_it_is("Exit codes:", *(f"{code:<5}{text}" for code, text in meanings.items()))


def completion(name: str) -> str:
    """Make the part of an epilog that says how to get shell completion."""
    variable = f"_{name.upper().replace('-', '_')}_COMPLETE"
    return as_it_is(
        "Completion in bash (zsh_source, fish_source: likewise):",
        f'eval "$({variable}=bash_source {name})"',
    )


class Resumable(click.Command):
    """A command that goes on where it was interrupted, and says so."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            click.echo(err=True)  # as click does: the terminal's line says ^C
            raise click.Abort(RESUMED) from error


def run(command: click.Command, name: str) -> NoReturn:
    """Run a command as a console script: one line an error, and its exit code.

    Args:
        command: What to run.
        name: Of the console script.
    """
    try:
        code = command.main(prog_name=name, standalone_mode=False) or 0
    except click.Abort as error:
        code = _complain(name, str(error) or "interrupted", INTERRUPTED)
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
