"""What the four commands share: errors to exit codes, epilogs, and the device option.

Only click and the errors are imported at the top: help must come at once.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import click

from visnet_aug.errors import VisnetError

if TYPE_CHECKING:
    import torch

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Settings of every command."""


def as_it_is(title: str, *lines: str) -> str:
    """Make a part of an epilog whose lines click does not fill (the backspace tells it so)."""
    return "\n".join(("\b", title, *(f"  {line}" for line in lines)))


EXIT_CODES = as_it_is(
    "Exit codes:",
    "0    done",
    "2    unusable arguments or settings",
    "3    the manifest or its images cannot be used for this",
    "4    unusable checkpoint",
    "5    unusable backbone weights",
    "6    a file or folder cannot be written",
    "7    a damaged manifest",
    "8    training cannot go on: a loss is not finite",
    "9    an export that is not its network",
    "130  interrupted",
)


def epilog(command: str, *examples: str) -> str:
    """Make a command's epilog: examples, exit codes, and how to get completion."""
    variable = f"_{command.upper().replace('-', '_')}_COMPLETE"
    completion = as_it_is(
        "Completion of options in bash (zsh_source, fish_source: likewise):",
        f'eval "$({variable}=bash_source {command})"',
    )
    return "\n\n".join((as_it_is("Examples:", *examples), EXIT_CODES, completion))


device_option = click.option(
    "--device",
    metavar="NAME",
    default="auto",
    show_default=True,
    help="Where the network runs: auto (a GPU if there is one), cpu, cuda, cuda:1, ...",
)


def choose_device(name: str) -> torch.device:
    """Turn ``--device`` into a device that is there.

    Raises:
        click.UsageError: There is no such device.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise click.UsageError(f"--device {name}: {reason}") from error
    return device


def run(command: click.Command, name: str) -> NoReturn:
    """Run a command as a console script: one line an error, and its exit code."""
    try:
        code = command.main(prog_name=name, standalone_mode=False) or 0
    except click.exceptions.Abort:
        code = _complain(name, "interrupted", INTERRUPTED)
    except click.UsageError as error:
        code = _complain(name, f"{error.format_message()} See {name} --help.", error.exit_code)
    except VisnetError as error:
        code = _complain(name, str(error), error.exit_code)
    sys.exit(code)


def _complain(name: str, text: str, code: int) -> int:
    """Print an error, each of its lines with the program's name, and pass its exit code on."""
    for line in text.splitlines():
        click.echo(f"{name}: error: {line}", err=True)
    return code
