"""The command `hvp`: each command is a module here whose `command` declares options and calls plain functions (no torch at start)."""

from __future__ import annotations

import ast
import errno
import importlib
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from hvpkit.cli import output
from hvpkit.errors import TRACEBACK_HINT, HvpkitError, InputError, blame_frame
from hvpkit.messages import Message, log_to, message_to_json

log = logging.getLogger(__name__)

WAIT = "2000"  # turns that a thread of torch waits before it sleeps; by default it keeps a processor of a busy machine from others

# a module each, in the order of the work
COMMANDS = ("preprocess", "train", "experiment", "eval", "predict", "explain", "components", "recipes", "import-release", "export-release")

# of the app, and of a command that is built alone
SETTINGS: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": "markdown",
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


def load_command(name: str) -> Callable[..., None]:
    """Import the function of a command."""
    function: Callable[..., None] = importlib.import_module(f"hvpkit.cli.{_module(name)}").command
    return function


def _module(name: str) -> str:
    return name.replace("-", "_")


class LazyCommands(TyperGroup):
    """Imports a command when it is typed; the list of all needs no more than what their docstrings say."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - the library's signature
        """Build the command that was typed."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is None:
            return name, command, rest
        alone = typer.Typer(**SETTINGS)
        alone.command(name)(load_command(name))
        return name, typer.main.get_command(alone), rest

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the library's signature
        """Run what was typed; Ctrl-C is told, which the library would not."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            _stop(stopped)


app = typer.Typer(
    name="hvp", cls=LazyCommands, help="Extract entities and relations from text with images.", no_args_is_help=True, **SETTINGS
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        output.print_text(f"hvp {version('hvpkit')}")
        raise typer.Exit()


_Version = Annotated[bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results, warnings and errors only.")]
_Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print debug messages too.")]


@app.callback()
def _hvp(show_version: _Version = False, quiet: _Quiet = False, verbose: _Verbose = False) -> None:
    """Extract entities and relations from text with images."""
    if quiet and verbose:
        raise InputError("quiet-with-verbose")
    if quiet:
        output.set_level(logging.WARNING)
    if verbose:
        output.set_level(logging.DEBUG)


def _listed(name: str) -> Callable[[], None]:
    """Stand for a command in the list of all, with the docstring that its source file gives it."""
    tree = ast.parse(Path(__file__).with_name(f"{_module(name)}.py").read_bytes())
    [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "command"]

    def command() -> None: ...

    command.__doc__ = ast.get_docstring(function)
    return command


for _name in COMMANDS:
    app.command(_name)(_listed(_name))


def main() -> None:
    """Run `hvp`: exit 0, 1 (it failed), 2 (it was asked for something wrong) or 130 (interrupted), with one short message."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", WAIT)
    with log_to(output.MessageHandler()):
        try:
            with output.shown_progress():
                app()
        except KeyboardInterrupt as stopped:
            _stop(stopped)
        except Exception as error:
            if os.environ.get("HVP_TRACEBACK"):
                raise
            message = _message(error)
            if "--json" in sys.argv[1:]:
                output.print_json({"error": message_to_json(message)})
            log.error(message)
            sys.exit(error.exit_code if isinstance(error, HvpkitError) else 1)


def _stop(stopped: KeyboardInterrupt) -> NoReturn:
    output.bars.close()
    log.info(stopped.args[0] if str(stopped) else Message("stopped"))
    sys.exit(130)


def _message(error: Exception) -> Message:
    if isinstance(error, HvpkitError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        file = f": {error.filename}" if error.filename else ""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return Message("disk-full", reason=error.strerror, file=file)
        return Message("os-error", reason=error.strerror, file=file)
    first_line = str(error).strip().partition("\n")[0]
    return Message("unexpected-error", type=type(error).__name__, reason=first_line, location=blame_frame(error), hint=TRACEBACK_HINT)
