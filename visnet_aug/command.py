"""What all commands share: errors to exit codes, epilogs that keep their line breaks.

Only click and the errors are imported, so that help comes at once.
"""

from __future__ import annotations

import sys
from typing import Any, Final, NoReturn

import click

from visnet_aug.errors import RecipeError, VisnetError

CHECK_FAILED: Final = 1
"""Exit code of a check that found something wrong."""

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, the same as in shells."""

RESUMED: Final = "interrupted; run the same command again to resume"
"""What a `Resumable` command prints after Ctrl-C."""

CONTEXT: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Settings of every command."""


def as_it_is(title: str, *lines: str) -> str:
    """Return a part of an epilog whose lines click does not fill, because of the backspace."""
    return "\n".join(("\b", title, *(f"  {line}" for line in lines)))


def exit_codes(
    *errors: type[VisnetError], check_failed: str = "", interrupted: str = "interrupted"
) -> str:
    """Return the part of an epilog that lists exit codes, in the errors' own words.

    Args:
        errors: Errors of the command, besides the `RecipeError` that every command has.
        check_failed: What 1 means, if the command is a check.
        interrupted: What 130 means.
    """
    meanings = {0: "done"} | ({CHECK_FAILED: check_failed} if check_failed else {})
    kinds: list[type[VisnetError]] = [RecipeError, *errors]
    for error in sorted(kinds, key=lambda error: error.exit_code):
        meaning = (error.__doc__ or "").partition("\n")[0].rstrip(".")
        meanings[error.exit_code] = meaning[:1].lower() + meaning[1:]
    meanings[INTERRUPTED] = interrupted
    return as_it_is("Exit codes:", *(f"{code:<5}{text}" for code, text in meanings.items()))


def completion(name: str) -> str:
    """Return the part of an epilog that explains shell completion."""
    variable = f"_{name.upper().replace('-', '_')}_COMPLETE"
    return as_it_is(
        "Completion in bash (for zsh and fish: zsh_source, fish_source):",
        f'eval "$({variable}=bash_source {name})"',
    )


class Resumable(click.Command):
    """A command that can be resumed after an interrupt, and says so."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            click.echo(err=True)  # as click does: the terminal's line says ^C
            raise click.Abort(RESUMED) from error


def run(command: click.Command, name: str) -> NoReturn:
    """Run a command as a console script: one line per error, and its exit code.

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
    """Print an error, each line with the program's name, and return its exit code."""
    for line in text.splitlines():
        click.echo(f"{name}: error: {line}", err=True)
    return code
