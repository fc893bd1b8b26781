"""The command: parse, run a command or the full-screen console, turn errors into exit codes.

Nothing heavy is imported before the command line is understood: `--help` loads neither Textual nor any client.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from core.errors import ConsoleError

COMMANDS = (
    "serve",
    "demo",
    "attach",
    "live",
    "instances",
    "control",
    "metrics",
    "symbol",
    "providers",
    "route",
    "fetch",
    "backfill",
    "db",
    "backtest",
    "hash-strategy",
    "accounts",
    "parity",
    "alerts",
    "config",
    "doctor",
    "incident",
    "log",
)
"""One module of `console.batch` each, with `NAME`, `HELP`, `prepare(parser)` and `run(arguments)`."""
SCREEN_COMMANDS = frozenset({"serve", "demo", "attach", "backtest"})

EXAMPLES = """examples:
  ringside demo                                            the console on a simulated market
  ringside serve --provider kraken --symbols BTCUSD        the console on a live feed
  ringside --batch serve --provider simulated --persist    the same without a screen
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ringside`; the exit code."""
    _open_outputs()
    arguments = build_parser().parse_args(_with_default_command(list(sys.argv[1:] if argv is None else argv)))
    form = getattr(arguments, "format", "table")
    try:
        return _dispatch(arguments)
    except ConsoleError as error:
        from console.batch.output import report

        return report(error, form=form)
    except BrokenPipeError:
        # The reader of our output left; there is nobody to tell, and Python would complain while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 130


def _open_outputs() -> None:
    # Whoever closed them (`>&-`) wants nothing of them; without them the next file opened would be stdout.
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, "w"))


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="ringside",
        description="A full-screen terminal console for people who run market data and trading strategies.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    parser.add_argument("--batch", action="store_true", help="run a command without a screen and without questions")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = _command(name)
        subparser = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.prepare(subparser)
    return parser


def _command(name: str) -> ModuleType:
    return importlib.import_module(f"console.batch.{name.replace('-', '_')}")


class _Version(argparse.Action):
    # argparse's own wants the text at once, and looking it up takes a fifth of the time of --help.
    def __call__(self, parser: argparse.ArgumentParser, *_arguments: object) -> None:
        from importlib.metadata import version

        parser.exit(0, f"ringside {version('ringside')}\n")


def _with_default_command(argv: list[str]) -> list[str]:
    # Bare `ringside` opens the console on what the settings name. Without a terminal it must not start to stream.
    return argv or (["serve"] if sys.stdout.isatty() else ["attach"])


def _dispatch(arguments: argparse.Namespace) -> int:
    module = _command(arguments.command)
    if arguments.command in SCREEN_COMMANDS and not arguments.batch and sys.stdout.isatty():
        from console.fullscreen import open_console, wants_screen

        if wants_screen(arguments):
            return open_console(arguments)
    return int(module.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
