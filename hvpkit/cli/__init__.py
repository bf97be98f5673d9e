"""The command `hvp`: each command is a module here whose `command` declares options and calls plain functions (no torch at start)."""

from __future__ import annotations

import importlib
import os
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from hvpkit.cli import output
from hvpkit.errors import HvpkitError

# a module each, in the order of the work
COMMANDS = ("preprocess", "train", "eval", "predict", "components", "recipes", "import-release", "export-release")

app = typer.Typer(
    name="hvp",
    help="Extract entities and relations from text with pictures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        output.print_text(f"hvp {version('hvpkit')}")
        raise typer.Exit()


_Version = Annotated[bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)]


@app.callback()
def _hvp(show_version: _Version = False) -> None:
    """Extract entities and relations from text with pictures."""


for _name in COMMANDS:
    app.command(_name)(importlib.import_module(f"hvpkit.cli.{_name.replace('-', '_')}").command)


def main() -> None:
    """Run `hvp`: exit 0, 1 (it failed), 2 (it was asked for something wrong) or 130 (interrupted), with one short message."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get("HVP_TRACEBACK"):
            raise
        output.fail(_message(error))
        sys.exit(error.exit_code if isinstance(error, HvpkitError) else 1)


def _message(error: Exception) -> str:
    if isinstance(error, HvpkitError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}\nThis was not expected; HVP_TRACEBACK=1 hvp ... shows where it happened."
