"""Command-line interface `hvp`; each subcommand is a module of this package with a function `command`."""

from __future__ import annotations

import ast
import errno
import importlib
import io
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

import hvpkit
from hvpkit.cli import output
from hvpkit.errors import TRACEBACK_HINT, HvpkitError, InputError, blame_frame
from hvpkit.messages import Message, log_to, message_to_json

log = logging.getLogger(__name__)

# Iterations that an OpenMP thread of torch spins before it sleeps; the default blocks a core of a busy machine.
WAIT = "2000"

# one module each, in the order of use
COMMANDS = (
    "preprocess",
    "convert",
    "train",
    "experiment",
    "eval",
    "predict",
    "explain",
    "components",
    "recipes",
    "runs",
    "info",
    "import-release",
    "export-release",
)

# settings of the app, and of a single command that is built on its own
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
    """Command group that imports a command only when it is called; `--help` reads docstrings from the source files."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - click's signature
        """Import and build the requested command."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is None:
            return name, command, rest
        single = typer.Typer(**SETTINGS)
        single.command(name)(load_command(name))
        return name, typer.main.get_command(single), rest

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - click's signature
        """Run the command; report Ctrl-C by a message, which typer does not."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            _stop(interrupt)


app = typer.Typer(
    name="hvp",
    cls=LazyCommands,
    help="Extract entities and relations from text with images.",
    no_args_is_help=True,
    **SETTINGS | {"add_completion": True},
)


def _show_version(show_version: bool) -> None:
    if show_version:
        output.print_text(f"hvp {hvpkit.__version__}")
        raise typer.Exit()


_Version = Annotated[
    bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
]
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


def _placeholder(name: str) -> Callable[[], None]:
    """Build a stand-in for a command with the docstring in its source file."""
    tree = ast.parse(Path(__file__).with_name(f"{_module(name)}.py").read_bytes())
    [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "command"]

    def command() -> None: ...

    command.__doc__ = ast.get_docstring(function)
    return command


for _name in COMMANDS:
    app.command(_name)(_placeholder(_name))


def main() -> None:
    """Run `hvp` and exit with 0, 1 (failure), 2 (invalid input) or 130 (interrupted), and one message on errors."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", WAIT)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # of what its encoding cannot represent
    with log_to(output.MessageHandler()):
        try:
            with output.shown_progress():
                app()
        except KeyboardInterrupt as interrupt:
            _stop(interrupt)
        except Exception as error:
            if os.environ.get("HVP_TRACEBACK"):
                raise
            message = _message(error)
            if "--json" in sys.argv[1:]:
                output.print_json({"error": message_to_json(message)})
            log.error(message)
            sys.exit(error.exit_code if isinstance(error, HvpkitError) else 1)


def _stop(interrupt: KeyboardInterrupt) -> NoReturn:
    output.bars.close()
    log.info(interrupt.args[0] if str(interrupt) else Message("stopped"))
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
    name, location = type(error).__name__, blame_frame(error)
    return Message("unexpected-error", type=name, reason=first_line, location=location, hint=TRACEBACK_HINT)
